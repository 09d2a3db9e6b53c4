"""Downloads that nginx sends instead of the service, and redirects to an S3 server.

The tests of downloads are repeated through nginx. With `FILES_OFFLOAD=x-accel`, clients must not
notice any difference except the duration.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from flask import Flask
from werkzeug.middleware.http_proxy import ProxyMiddleware
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from project.core.storage import storage_from_url
from project.core.web.responses import file_responses
from tests.files.factories import FileFactory
from tests.files.file_io import store
from tests.files.routes import test_content as contents
from tests.files.routes import test_links as links
from tests.kit.clients import IsolatedClient
from tests.kit.responses import data
from tests.seaweed import running_seaweed
from tests.users.factories import UserFactory

from .nginx import proxy

pytestmark = pytest.mark.servers


URL = '/api/v1/files'


@pytest.fixture
def ada() -> Any:
    """Return a user."""
    return UserFactory()


@pytest.fixture
def client(as_user: Any, ada: Any) -> IsolatedClient:
    """Return a test client that is logged in as Ada."""
    return as_user(ada)


@pytest.fixture
def anybody(app: Flask) -> Any:
    """Return a client without a login."""
    return app.test_client()


@pytest.fixture
def kept(var: Path) -> Any:
    """Return a function that lists the SHA-256 of all blobs in the storage."""
    return lambda: sorted(p.name for p in (var / 'storage' / 'blobs').rglob('*') if p.is_file())


@contextmanager
def served(app: Flask) -> Iterator[int]:
    """Serve the application of the tests on a port."""
    server = make_server('127.0.0.1', 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for the files of nginx."""
    return tmp_path_factory.mktemp('offload')


@pytest.fixture(scope='module')
def address(app: Flask, folder: Path) -> Iterator[str]:
    """Run nginx in front of the application of the tests; yield its URL."""
    with served(app) as behind, proxy(behind, folder) as port:
        yield f'http://127.0.0.1:{port}/'


@pytest.fixture
def through_nginx(
    app: Flask, address: str, folder: Path, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Send all requests of test clients through nginx, which reads the storage of the test."""
    targets = {'/api/': {'target': address, 'host': None}}
    distant = ProxyMiddleware(app, targets)

    class DistantClient(IsolatedClient):
        def run_wsgi_app(self, environ: Any, buffered: bool = False) -> Any:
            return run_wsgi_app(distant, environ, buffered=buffered)

    monkeypatch.setattr(app, 'test_client_class', DistantClient)
    monkeypatch.setitem(app.config, 'FILES_OFFLOAD', 'x-accel')
    (folder / 'var').unlink(missing_ok=True)
    (folder / 'var').symlink_to(var)


@pytest.mark.usefixtures('through_nginx')
class TestFileContent(contents.TestFileContent):
    """The tests of downloads of the newest version."""


@pytest.mark.usefixtures('through_nginx')
class TestVersionContent(contents.TestVersionContent):
    """The tests of downloads of a given version."""

    @pytest.fixture
    def file(self, ada: Any) -> Any:
        return FileFactory(owner=ada, name='a.txt', content=b'first')


@pytest.mark.usefixtures('through_nginx')
class TestShared(links.TestShared):
    """The tests of downloads by share links."""

    # nginx itself rejects one of these URLs with status 400.
    test_returns_404_for_unknown_tokens = None

    @pytest.fixture
    def file(self, ada: Any) -> Any:
        return store(ada.id, b'Shared bytes.', name='shared.txt')


@pytest.mark.usefixtures('through_nginx')
class TestMaxDownloads(links.TestMaxDownloads):
    """The tests of the maximum number of downloads by a share link."""

    @pytest.fixture
    def file(self, ada: Any) -> Any:
        return store(ada.id, b'Shared bytes.', name='shared.txt')

    # This test creates its own application, which is not behind nginx.
    test_is_not_exceeded_by_concurrent_requests = None


@pytest.mark.usefixtures('var')  # `through_nginx`, which the tests request later, needs it
class TestOffloadedResponse:
    CONTENT = bytes(range(256)) * 400
    ETAG = f'"{sha256(CONTENT).hexdigest()}"'

    @pytest.mark.parametrize(
        'headers',
        [
            {},
            {'Range': 'bytes=0-9'},
            {'Range': 'bytes=-5'},
            {'Range': 'bytes=0-9,100-199,-5'},
            {'Range': 'bytes=0-9,200000-'},
            {'Range': 'bytes=' + ','.join(f'{n}-{n}' for n in range(16))},
            {'Range': 'bytes=' + ','.join(f'{n}-{n}' for n in range(17))},
            {'Range': 'bytes=' + ','.join(f'{n}-{n}' for n in range(700))},
            {'Range': 'bytes=0-102399,0-102399'},
            {'Range': 'bytes=10-1'},
            {'Range': 'lines=1-2'},
            {'Range': 'bytes=0-9', 'If-Range': '"other"'},
            {'Range': 'bytes=0-9', 'If-Range': 'Mon, 23 Nov 2026 08:00:00 GMT'},
            {'Range': 'bytes=200000-'},
            {'If-None-Match': '"other"'},
            {'If-Match': '"other"'},
            {'If-Match': '*', 'Range': 'bytes=0-9'},
            {'If-Match': ETAG, 'Range': 'bytes=0-9'},
            {'If-None-Match': ETAG, 'Range': 'bytes=0-9'},
            {'Range': 'bytes=0-9', 'If-Range': ETAG},
            {'Range': f'bytes=0-{"9" * 30}'},
            {'Range': f'bytes={"9" * 30}-'},
            {'Range': f'bytes=-{"9" * 30}'},
            {'Range': 'bytes = 0-9'},
            {'If-Modified-Since': 'Mon, 23 Nov 2009 08:00:00 GMT'},
            {'If-Modified-Since': 'Mon, 23 Nov 2099 08:00:00 GMT'},
            {'If-Unmodified-Since': 'Mon, 23 Nov 2009 08:00:00 GMT'},
            {'Origin': 'https://app.example.test'},
        ],
    )
    def test_is_the_same_as_without_offloading(
        self, as_user: Any, ada: Any, request: Any, headers: dict[str, str]
    ) -> None:
        url = f'{URL}/{FileFactory(owner=ada, content=self.CONTENT).id}/content'
        own = as_user(ada).get(url, headers=headers, buffered=True)
        request.getfixturevalue('through_nginx')

        other = as_user(ada).get(url, headers=headers, buffered=True)

        assert other.status_code == own.status_code
        assert parts_of(other) == parts_of(own)
        assert {**comparable_headers(other), 'x-request-id': ''} == {
            **comparable_headers(own),
            'x-request-id': '',
        }
        assert other.headers['X-Request-ID']

    def test_is_sent_by_nginx_from_the_disk(
        self, through_nginx: None, as_user: Any, ada: Any, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr(file_responses, '_sent', None)
        client = as_user(ada)
        url = f'{URL}/{FileFactory(owner=ada, content=self.CONTENT).id}/content'

        assert client.get(url).data == self.CONTENT
        assert client.get(url, headers={'Range': 'bytes=1-3'}).data == b'\1\2\3'
        dated = {'If-Modified-Since': 'Mon, 23 Nov 2099 08:00:00 GMT', 'If-None-Match': '"other"'}
        assert client.get(url, headers=dated).data == self.CONTENT


def parts_of(response: Any) -> bytes:
    """Return a body in which the multipart boundary, which is random, is replaced."""
    _, _, boundary = response.headers.get('Content-Type', '').partition('boundary=')
    body: bytes = response.data
    return body.replace(boundary.encode(), b'-') if boundary else body


def comparable_headers(response: Any) -> dict[str, str]:
    """Return the headers that must be equal with and without nginx.

    The boundary and the length of a multipart response may differ.
    """
    several = response.headers.get('Content-Type', '').startswith('multipart/')
    ignored = {'date', 'server', 'connection', 'transfer-encoding'}
    if several:
        ignored |= {'content-type', 'content-length'}
    return {name.lower(): value for name, value in response.headers if name.lower() not in ignored}


@pytest.fixture(scope='module')
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Run an S3 server (SeaweedFS)."""
    with running_seaweed(tmp_path_factory.mktemp('seaweed')) as server:
        yield server


class TestRedirect:
    CONTENT = b'0123456789'

    @pytest.fixture(autouse=True)
    def bucket(self, app: Flask, seaweed: Any, monkeypatch: Any, tmp_path: Path) -> None:
        for name, value in seaweed.keys.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setitem(app.config, 'STORAGE_SPOOL', str(tmp_path / 'spool'))
        monkeypatch.setitem(app.config, 'FILES_OFFLOAD', 'redirect')
        monkeypatch.setitem(app.extensions, 'storage', storage_from_url(app, seaweed.url))

    @pytest.fixture
    def url(self, ada: Any) -> str:
        file = store(ada.id, self.CONTENT, name='Grüße.txt')
        return f'{URL}/{file.id}/content'

    def test_returns_a_url_of_the_content_valid_for_a_minute(self, client: Any, url: str) -> None:
        response = client.get(url)

        assert (response.status_code, response.data) == (302, b'')
        assert response.headers['Cache-Control'] == 'no-store'
        assert 'X-Amz-Expires=60&' in response.location
        found = requests.get(response.location, timeout=5)
        assert found.content == self.CONTENT
        assert found.headers['Content-Type'].startswith('text/plain')
        disposition = found.headers['Content-Disposition']
        assert disposition.endswith("; filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt")

    def test_returns_a_url_that_cannot_be_changed(self, client: Any, url: str) -> None:
        address = client.get(url).location

        for other in (address.replace('.txt', '.exe'), address.split('?')[0]):
            assert requests.get(other, timeout=5).status_code == 403

    def test_returns_a_url_that_supports_ranges(self, client: Any, url: str) -> None:
        asked = {'Range': 'bytes=2-4'}

        found = requests.get(client.get(url, headers=asked).location, headers=asked, timeout=5)

        assert (found.status_code, found.content) == (206, b'234')

    @pytest.mark.parametrize('many', ['bytes=' + ','.join(['0-0'] * 17), 'lines=1-2'])
    def test_sends_the_content_itself_if_s3_would_respond_differently(
        self, client: Any, url: str, many: str
    ) -> None:
        response = client.get(url, headers={'Range': many})

        assert (response.status_code, response.data) == (200, self.CONTENT)

    def test_handles_conditions_and_wrong_ranges_itself(self, client: Any, url: str) -> None:
        head = client.head(url)

        assert (head.status_code, head.headers['Content-Length']) == (200, '10')
        same = client.get(url, headers={'If-None-Match': head.headers['ETag']})
        assert same.status_code == 304
        assert client.get(url, headers={'Range': 'bytes=10-'}).status_code == 416

    def test_ignores_if_modified_since(self, client: Any, url: str) -> None:
        # After a restore, the content has an older date than the content that the client has, but
        # is another one.
        response = client.get(url, headers={'If-Modified-Since': 'Mon, 23 Nov 2099 08:00:00 GMT'})

        assert (response.status_code, response.data) == (200, self.CONTENT)

    def test_counts_redirects_as_downloads(self, client: Any, anybody: Any, ada: Any) -> None:
        file = store(ada.id, self.CONTENT)
        made = client.post(f'{URL}/{file.id}/links', json={'max_downloads': 1})
        shared = f'{URL}/shared/{data(made)["token"]}/content'

        assert anybody.get(shared).status_code == 302
        assert anybody.get(shared).status_code == 404
