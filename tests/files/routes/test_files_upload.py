"""HTTP: upload a file in a form or as the body of the request."""

import errno
import io
import os
import tracemalloc
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from uuid import UUID

import pytest
from werkzeug.datastructures import MultiDict

from project.core.web.requests.parsing import START_BODY_TIMEOUT
from project.files import service
from tests.files.routes.file_requests import (
    LIMIT,
    PNG,
    QUOTA,
    URL,
    chunked,
    fetch,
    multipart,
    raw,
    used,
)
from tests.kit.responses import data, fails_with, reasons


class TestFilesPost:
    def test_accepts_a_form(self, client):
        response = multipart(client, b'Hello.', 'hello.txt', tags='red, green,red')

        shown = data(response)
        assert response.status_code == 201
        assert response.headers['Location'] == f'{URL}/{shown["id"]}'
        assert shown == {
            'id': shown['id'],
            'name': 'hello.txt',
            'size': 6,
            'type': 'text/plain',
            'sha256': sha256(b'Hello.').hexdigest(),
            'version': 1,
            'tags': ['green', 'red'],
            'created_at': shown['created_at'],
            'updated_at': shown['updated_at'],
        }
        assert data(client.get(response.headers['Location'])) == shown

    def test_returns_the_time_of_the_upload(self, client):
        before = datetime.now(UTC)

        created_at = data(raw(client))['created_at']

        assert created_at.endswith('Z')
        assert before <= datetime.fromisoformat(created_at) <= datetime.now(UTC)

    @pytest.mark.parametrize(
        ('fields', 'query', 'filename', 'name'),
        [
            ({'name': 'form.txt'}, {'name': 'query.txt'}, 'file.txt', 'form.txt'),
            ({}, {'name': 'query.txt'}, 'file.txt', 'query.txt'),
            ({}, {}, 'file.txt', 'file.txt'),
            ({'name': ''}, {}, 'file.txt', 'file.txt'),
            ({}, {}, '../../etc/passwd', 'passwd'),
        ],
    )
    def test_uses_the_name_in_the_form_the_query_or_the_file(
        self, client, fields, query, filename, name
    ):
        assert data(multipart(client, b'x', filename, query, **fields))['name'] == name

    def test_returns_unnamed_without_a_name(self, client):
        assert data(raw(client))['name'] == 'unnamed'

    def test_accepts_a_plain_body_with_a_name_in_the_query(self, client):
        response = raw(client, PNG, name='a.png')

        assert response.status_code == 201
        assert data(response)['name'] == 'a.png'
        assert data(response)['tags'] == []
        assert fetch(client, f'{response.headers["Location"]}/content').data == PNG

    @pytest.mark.parametrize(
        'type',
        [
            'application/json',
            'application/x-www-form-urlencoded',
            'text/html; charset=utf-16',
            'multipart/mixed; boundary=x',
            'image/svg+xml',
            'nonsense',
            '',
        ],
    )
    def test_accepts_any_content_type_without_trusting_it(self, client, type):
        content = b'{"not": json, &a=b'

        response = raw(client, content, type=type)

        assert data(response)['type'] == 'text/plain'
        assert fetch(client, f'{response.headers["Location"]}/content').data == content

    def test_has_no_time_limit_for_a_json_body(self, client):
        limit = {'environ_overrides': {START_BODY_TIMEOUT: lambda: pytest.fail('started')}}

        created = client.post(f'{URL}?name=a.json', json={}, **limit)
        replaced = client.put(f'{created.headers["Location"]}/content', json=[], **limit)

        assert (created.status_code, replaced.status_code) == (201, 200)

    def test_detects_the_type_by_the_bytes_and_not_by_the_name(self, client):
        assert data(multipart(client, PNG, 'page.html'))['type'] == 'image/png'
        assert data(multipart(client, b'<html>', 'image.png'))['type'] == 'text/plain'

    @pytest.mark.parametrize('way', [raw, chunked])
    def test_accepts_an_empty_body(self, client, way):
        response = way(client, b'')

        assert data(response)['size'] == 0
        assert fetch(client, f'{response.headers["Location"]}/content').data == b''

    def test_accepts_a_stream_of_unknown_length(self, client):
        content = os.urandom(LIMIT)

        response = chunked(client, content, name='stream')

        assert data(response)['size'] == LIMIT
        assert data(response)['sha256'] == sha256(content).hexdigest()

    @pytest.mark.parametrize('way', [raw, chunked, multipart])
    def test_accepts_the_maximum_size_and_rejects_one_byte_more(self, client, way, incoming):
        assert way(client, b'x' * LIMIT).status_code == 201

        response = way(client, b'x' * (LIMIT + 1))

        fails_with(response, 'size', status=413)
        assert incoming() == []
        assert used(client) == LIMIT

    @pytest.mark.parametrize('way', [raw, chunked, multipart])
    def test_rejects_three_times_the_maximum_size(self, client, way, incoming, kept):
        response = way(client, b'x' * (3 * LIMIT))

        fails_with(response, 'size', status=413)
        assert (incoming(), kept()) == ([], [])

    def test_rejects_too_large_a_content_length_without_reading(self, client, incoming):
        class Unread(BytesIO):
            def read(self, size=-1):
                pytest.fail('it was read')

        response = client.post(
            URL, input_stream=Unread(), environ_overrides={'CONTENT_LENGTH': str(LIMIT + 1)}
        )

        fails_with(response, 'size', status=413)
        assert incoming() == []

    @pytest.mark.parametrize('way', [raw, chunked, multipart])
    def test_fills_the_quota_exactly(self, client, way, incoming):
        for size in (LIMIT, LIMIT, LIMIT - 1):
            assert way(client, b'x' * size).status_code == 201

        response = way(client, b'12')

        reason = 'Exceeds your quota; delete files permanently first'
        fails_with(response, 'quota', status=413, reason=reason)
        assert way(client, b'1').status_code == 201
        assert way(client, b'').status_code == 201
        assert way(client, b'1').status_code == 413
        assert used(client) == QUOTA
        assert incoming() == []

    def test_counts_bytes_that_another_user_also_has(self, client, as_user):
        other = as_user()

        raw(client, b'The same.')
        raw(other, b'The same.')

        assert (used(client), used(other)) == (9, 9)

    def test_stores_equal_bytes_of_several_users_once(self, client, as_user, kept):
        responses = [raw(one, b'The same.') for one in (client, client, as_user())]

        assert len({data(r)['id'] for r in responses}) == 3
        assert kept() == [sha256(b'The same.').hexdigest()]

    @pytest.mark.parametrize(
        ('form', 'field'),
        [
            ({}, 'file'),
            ({'name': 'a.txt'}, 'file'),
            ({'file': 'text'}, 'file'),
            ({'file': [(BytesIO(b'1'), 'a'), (BytesIO(b'2'), 'b')]}, 'file'),
            ({'file': (BytesIO(b'1'), 'a'), 'name': ['b', 'c']}, 'name'),
            ({'file': (BytesIO(b'1'), 'a'), 'name': (BytesIO(b'1'), 'a')}, 'name'),
            ({'file': (BytesIO(b'1'), 'a'), 'name': 'x' * 256}, 'name'),
            ({'file': (BytesIO(b'1'), 'a'), 'name': 'x' * 1025}, 'name'),
            ({'file': (BytesIO(b'1'), 'x' * 256)}, 'name'),
            ({'file': (BytesIO(b'1'), 'a'), 'tags': 'two words'}, 'tags'),
            ({'file': (BytesIO(b'1'), 'a'), 'tags': 'x' * 33}, 'tags'),
            ({'file': (BytesIO(b'1'), 'a'), 'tags': ','.join(map(str, range(21)))}, 'tags'),
        ],
    )
    def test_rejects_an_invalid_form(self, client, form, field, incoming, kept):
        # Copy the streams: another run with the same parameters may have read them to the end.
        fresh = {key: _anew(value) for key, value in form.items()}

        response = client.post(URL, data=fresh, content_type='multipart/form-data')

        fails_with(response, field)
        assert (incoming(), kept()) == ([], [])

    @pytest.mark.parametrize(
        'widget',
        [
            {'relativePath': 'null', 'name': 'a.txt', 'type': 'text/plain'},  # Uppy XHRUpload
            {'file': '{}', 'name': 'a.txt'},  # FilePond
            {'meta[a]': '1', 'list[]': ['1', '2'], 'name': 'a.txt'},  # axios
            {'owner_id': '1', 'id': '7', 'name': 'a.txt'},
        ],
        ids=['Uppy', 'FilePond', 'axios', 'names of columns'],
    )
    def test_ignores_unknown_text_fields(self, client, ada, widget):
        parts = MultiDict(widget)
        parts.add('file', (BytesIO(b'One.'), 'b.txt'))

        response = client.post(URL, data=parts, content_type='multipart/form-data')

        assert (response.status_code, data(response)['name']) == (201, 'a.txt')
        assert service.get_file(ada.id, UUID(data(response)['id'])).size == 4

    def test_rejects_a_form_of_more_than_20_parts(self, client, incoming):
        fields = {f'field{n}': '' for n in range(20)}

        response = multipart(client, **fields)

        fails_with(response, 'size', status=413)
        assert incoming() == []

    def test_rejects_a_too_large_text_field(self, client):
        response = multipart(client, name='x' * 100_000)

        fails_with(response, 'size', status=413)

    @pytest.mark.parametrize(
        'body', [b'', b'nonsense', b'--x\r\n', b'--x\r\nContent-Disposition: form-data\r\n\r\n']
    )
    def test_rejects_a_malformed_form(self, client, body):
        response = raw(client, body, type='multipart/form-data; boundary=x')

        assert response.status_code in (400, 413, 422)
        assert reasons(response)

    def test_rejects_a_form_without_a_boundary(self, client):
        response = raw(client, b'Hello.', type='multipart/form-data')

        assert response.status_code in (400, 422)
        assert reasons(response)

    @pytest.mark.parametrize('query', ['name=a&name=b', 'tags=red', f'name={"x" * 256}'])
    def test_rejects_an_invalid_query(self, client, query):
        response = client.post(f'{URL}?{query}', data=b'Hello.')

        fails_with(response, query.split('=')[0])

    def test_releases_the_reservation_of_a_form_rejected_after_its_file(
        self, client, incoming, kept
    ):
        response = multipart(client, b'x' * 100_000, tags='one,two words')

        fails_with(response, 'tags')
        assert (incoming(), kept()) == ([], [])
        assert data(client.get(f'{URL}/usage'))['reserved'] == 0

    def test_leaves_nothing_of_an_upload_whose_connection_broke(self, client, incoming, kept):
        class Gone(BytesIO):
            def read(self, size=-1):
                raise ConnectionResetError

        response = client.post(
            URL, input_stream=Gone(), environ_overrides={'CONTENT_LENGTH': '100'}
        )

        assert response.status_code == 400
        assert (incoming(), kept()) == ([], [])
        assert used(client) == 0

    @pytest.mark.parametrize('server', [{}, {'wsgi.input_terminated': True}])
    def test_leaves_nothing_of_an_upload_shorter_than_its_length(
        self, client, server, incoming, kept
    ):
        response = client.post(
            URL,
            input_stream=BytesIO(b'half'),
            environ_overrides={'CONTENT_LENGTH': '8', **server},
        )

        fails_with(response, 'request', status=400)
        assert (incoming(), kept()) == ([], [])

    @pytest.mark.parametrize('way', [raw, chunked, multipart])
    def test_returns_an_etag(self, client, way):
        response = way(client, b'Hello.')

        assert response.headers['ETag'] == '"1"'
        assert client.get(response.location).headers['ETag'] == '"1"'

    @pytest.mark.parametrize('way', [raw, multipart])
    @pytest.mark.parametrize(('free', 'key'), [(100_000, 'quota'), (QUOTA, 'size')])
    def test_reads_nothing_if_the_content_length_exceeds_a_limit(
        self, client, incoming, way, free, key
    ):
        for size in (LIMIT, LIMIT, LIMIT - 100_000) if free < LIMIT else ():
            assert raw(client, b'x' * size).status_code == 201
        size = 3 * LIMIT if key == 'size' else free + 100_000
        body = Endless(size)
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        head = form if way is multipart else b''

        response = client.post(
            URL,
            input_stream=Chain(head, body),
            content_type='multipart/form-data; boundary=x' if head else 'image/png',
            environ_overrides={'CONTENT_LENGTH': str(len(head) + size)},
        )

        fails_with(response, key, status=413)
        # The form is read in blocks of 64 KiB. The service can reject it after the first block,
        # which contains the field name.
        assert size - body.left <= (64 * 1024 if head else 0)
        assert incoming() == []

    def test_writes_no_more_of_a_form_than_the_quota_allows(self, client, incoming):
        for size in (LIMIT, LIMIT, LIMIT - 100_000):
            assert raw(client, b'x' * size).status_code == 201
        largest = []

        class Watched(BytesIO):
            def readinto(self, buffer):
                largest.extend(path.stat().st_size for path in incoming())
                return super().readinto(buffer)

        part = b'--x\r\nContent-Disposition: form-data; name="%b"; filename="a"\r\n\r\n%b\r\n'
        body = part % (b'other', b'x' * 200_000) + part % (b'file', b'x' * 500_000) + b'--x--\r\n'
        response = client.post(
            URL,
            input_stream=Watched(body),
            content_type='multipart/form-data; boundary=x',
            environ_overrides={'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
        )

        fails_with(response, 'quota', status=413)
        assert 0 < max(largest) <= 100_000
        assert incoming() == []

    def test_accepts_any_bytes_in_a_form(self, client):
        # In this content each block of the form ends like the beginning of a boundary.
        content = b'\r\n--' * (LIMIT // 4)

        response = multipart(client, content)

        assert data(response)['sha256'] == sha256(content).hexdigest()

    def test_writes_the_file_of_a_form_once(self, client, monkeypatch, incoming):
        def spooled(*_, **__):
            pytest.fail('it was written twice')

        monkeypatch.setattr('werkzeug.formparser.SpooledTemporaryFile', spooled)
        content = os.urandom(LIMIT)

        response = multipart(client, content)

        assert data(response)['sha256'] == sha256(content).hexdigest()
        assert incoming() == []

    @pytest.mark.parametrize('way', [raw, chunked, multipart])
    @pytest.mark.parametrize('full', [errno.ENOSPC, errno.EDQUOT])
    def test_returns_507_when_the_disk_is_full(
        self, client, storage_failing, incoming, kept, full, way
    ):
        with storage_failing(after_bytes=300_000, error=OSError(full, os.strerror(full))):
            response = way(client, b'x' * 600_000)

        assert response.status_code == 507
        assert response.json == {
            'status': 'error',
            'message': 'Insufficient Storage',
            'code': 507,
        }
        assert (incoming(), kept()) == ([], [])
        assert used(client) == 0

    def test_returns_503_when_the_bytes_cannot_be_synced(self, client, storage_failing, kept):
        with storage_failing(operations={'prepare'}):
            response = raw(client)

        assert response.status_code == 503
        assert response.json['status'] == 'error'
        assert kept() == []

    def test_uses_little_memory_for_a_large_file(self, client, app, monkeypatch, var):
        size = 50_000_000
        monkeypatch.setitem(app.config, 'FILES_MAX_SIZE', size)
        monkeypatch.setitem(app.config, 'FILES_QUOTA', size)
        raw(client)

        tracemalloc.start()
        try:
            response = client.post(
                URL,
                input_stream=Endless(size - 6),
                environ_overrides={'CONTENT_LENGTH': str(size - 6)},
            )
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert data(response)['size'] == size - 6
        assert peak < 5_000_000

    def test_runs_the_same_queries_for_every_size(self, client, queries):
        raw(client, b'The first creates the row of the usage.')

        # The service runs two transactions: one reserves the bytes, the other creates the file.
        with queries(max=11):
            plain = raw(client, b'x' * 100_000)
        with queries(max=15):
            form = multipart(client, b'x' * 100_000, tags=','.join(map(str, range(20))))

        # Check the status: a rejected request would also run few queries.
        assert (plain.status_code, form.status_code) == (201, 201)

    def test_rejects_an_unauthenticated_request_before_reading(self, app, incoming):
        class Unread(BytesIO):
            def read(self, size=-1):
                pytest.fail('it was read')

        response = app.test_client().post(
            URL, input_stream=Unread(), environ_overrides={'CONTENT_LENGTH': '10'}
        )

        assert response.status_code == 401
        assert incoming() == []


class Endless(io.RawIOBase):
    """A stream of `size` bytes that are generated while they are read."""

    def __init__(self, size):
        self.left = size

    def readable(self):
        return True

    def seekable(self):
        return False

    def tell(self):
        return 0

    def seek(self, *_):
        return 0

    def readinto(self, buffer):
        given = min(len(buffer), self.left)
        buffer[:given] = b'x' * given
        self.left -= given
        return given


class Chain(Endless):
    """A stream of the bytes `head`, followed by the stream `rest`."""

    def __init__(self, head, rest):
        self.head = BytesIO(head)
        self.rest = rest

    def readinto(self, buffer):
        return self.head.readinto(buffer) or self.rest.readinto(buffer)


def _anew(value):
    if isinstance(value, list):
        return [_anew(one) for one in value]
    return (BytesIO(value[0].getvalue()), value[1]) if isinstance(value, tuple) else value
