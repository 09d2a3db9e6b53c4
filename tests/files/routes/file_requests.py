"""Helpers that send requests to `/api/v1/files` and check the responses."""

from io import BytesIO

from sqlalchemy import func, select
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from project.core.database.session import db
from project.files.models import File, Usage, Version
from tests.kit.responses import data

URL = '/api/v1/files'
PNG = b'\x89PNG\r\n\x1a\n' + b'\0' * 64
LIMIT = 1_000_000
QUOTA = 3_000_000


def multipart(client, content=b'Hello.', filename='hello.txt', query=None, **fields):
    """Upload a file in a multipart form."""
    # The form is encoded here, because the test client would leave a temporary file open.
    file = FileStorage(BytesIO(content), filename)
    boundary, body = encode_multipart({**fields, 'file': file})
    type = f'multipart/form-data; boundary="{boundary}"'
    return client.post(URL, data=body, content_type=type, query_string=query)


def raw(client, content=b'Hello.', *, type='application/octet-stream', **query):
    """Upload bytes as the request body, without a form."""
    return client.post(URL, data=content, content_type=type, query_string=query)


def chunked(client, content, **query):
    """Upload bytes with `Transfer-Encoding: chunked`, so without Content-Length."""
    return client.post(
        URL,
        input_stream=BytesIO(content),
        content_type='application/octet-stream',
        query_string=query,
        environ_overrides={'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
    )


def fetch(client, url, method='GET', **headers):
    """Download the whole response, so that the server closes the opened file."""
    headers = {name.replace('_', '-'): value for name, value in headers.items()}
    return client.open(url, method=method, headers=headers, buffered=True)


def used(client):
    """Return the usage of the client's user, in bytes.

    Checks that the usage of every user equals the total size of the stored versions.
    """
    usage = data(client.get(f'{URL}/usage'))
    recorded = dict(db.session.execute(select(Usage.user_id, Usage.used)).all())
    sums = select(File.owner_id, func.sum(Version.size)).join(Version, Version.file_id == File.id)
    sums = sums.group_by(File.owner_id)
    actual = {owner: int(size) for owner, size in db.session.execute(sums)}
    assert {owner: size for owner, size in recorded.items() if size} == {
        owner: size for owner, size in actual.items() if size
    }
    return usage['used']


def assert_inert(response):
    """Check that the headers prevent a browser from executing the content."""
    assert response.headers['X-Content-Type-Options'] == 'nosniff'
    policy = response.headers['Content-Security-Policy']
    assert "default-src 'none'" in policy
    assert 'sandbox' in policy.replace(';', ' ').split()
    assert response.headers['X-Frame-Options'].lower() == 'deny'
