"""Bytes that others send: the tests of downloads through the real nginx, and an S3 server.

With `FILES_OFFLOAD=x-accel` nobody shall see any difference but the time it takes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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
from tests.client import IsolatedClient, data
from tests.files.conftest import clock
from tests.files.factories import FileFactory
from tests.files.file_io import store
from tests.files.routes import test_content as contents
from tests.files.routes import test_links as links
from tests.seaweed import running_seaweed
from tests.users.factories import UserFactory

from .nginx import proxy

pytestmark = pytest.mark.servers

__all__ = ['clock']

URL = '/api/v1/files'


@pytest.fixture
def ada() -> Any:
    """Somebody."""
    return UserFactory()


@pytest.fixture
def client(as_user: Any, ada: Any) -> IsolatedClient:
    """A client that is Ada."""
    return as_user(ada)


@pytest.fixture
def anybody(app: Flask) -> Any:
    """A client that is nobody."""
    return app.test_client()


@pytest.fixture
def kept(var: Path) -> Any:
    """Return a function that lists the hashes of the bytes in storage."""
    return lambda: sorted(p.name for p in (var / 'storage' / 'blobs').rglob('*') if p.is_file())


@contextmanager
def served(app: Flask) -> Iterator[int]:
    """Serve the application of the tests, as it is, at a port."""
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
    """The folder of the proxy."""
    return tmp_path_factory.mktemp('offload')


@pytest.fixture(scope='module')
def address(app: Flask, folder: Path) -> Iterator[str]:
    """The address of a proxy before the application of the tests."""
    with served(app) as behind, proxy(behind, folder) as port:
        yield f'http://127.0.0.1:{port}/'


@pytest.fixture
def through_nginx(
    app: Flask, address: str, folder: Path, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let clients speak to the proxy, which sees the storage of the test."""
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
    """Downloads."""


@pytest.mark.usefixtures('through_nginx')
class TestVersionContent(contents.TestVersionContent):
    """Downloads of versions."""

    @pytest.fixture
    def file(self, ada: Any) -> Any:
        return FileFactory(owner=ada, name='a.txt', content=b'first')


@pytest.mark.usefixtures('through_nginx')
class TestShared(links.TestShared):
    """What share links lead to."""

    # One of them is no address that nginx knows: 400.
    test_returns_404_for_unknown_tokens = None

    @pytest.fixture
    def file(self, ada: Any) -> Any:
        return store(ada.id, b'Shared bytes.', name='shared.txt')


@pytest.mark.usefixtures('through_nginx')
class TestMaxDownloads(links.TestMaxDownloads):
    """How often they do."""

    @pytest.fixture
    def file(self, ada: Any) -> Any:
        return store(ada.id, b'Shared bytes.', name='shared.txt')

    # Of an application of its own.
    test_is_not_exceeded_by_concurrent_requests = None


class TestSame:
    CONTENT = bytes(range(256)) * 400

    @pytest.mark.parametrize(
        'asked',
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
            {'If-Modified-Since': 'Mon, 23 Nov 2099 08:00:00 GMT'},
            {'If-Unmodified-Since': 'Mon, 23 Nov 2009 08:00:00 GMT'},
            {'Origin': 'https://app.example.test'},
        ],
    )
    def test_says_what_the_service_would_have_said(
        self, as_user: Any, ada: Any, request: Any, asked: dict[str, str]
    ) -> None:
        url = f'{URL}/{FileFactory(owner=ada, content=self.CONTENT).id}/content'
        own = as_user(ada).get(url, headers=asked, buffered=True)
        request.getfixturevalue('through_nginx')

        other = as_user(ada).get(url, headers=asked, buffered=True)

        assert other.status_code == own.status_code
        assert parts_of(other) == parts_of(own)
        assert {**shown(other), 'x-request-id': ''} == {**shown(own), 'x-request-id': ''}
        assert other.headers['X-Request-ID']

    def test_comes_from_the_disk_by_nginx_alone(
        self, through_nginx: None, as_user: Any, ada: Any, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr(file_responses, '_sent', None)
        client = as_user(ada)
        url = f'{URL}/{FileFactory(owner=ada, content=self.CONTENT).id}/content'

        assert client.get(url).data == self.CONTENT
        assert client.get(url, headers={'Range': 'bytes=1-3'}).data == b'\1\2\3'


def parts_of(response: Any) -> bytes:
    """Return a body, but for what separates its parts: everybody makes that up."""
    _, _, boundary = response.headers.get('Content-Type', '').partition('boundary=')
    body: bytes = response.data
    return body.replace(boundary.encode(), b'-') if boundary else body


def shown(response: Any) -> dict[str, str]:
    """Return the headers that say something of the answer, but for the boundary and the length."""
    several = response.headers.get('Content-Type', '').startswith('multipart/')
    passed_over = {'date', 'server', 'connection', 'transfer-encoding'}
    if several:
        passed_over |= {'content-type', 'content-length'}
    return {
        name.lower(): value for name, value in response.headers if name.lower() not in passed_over
    }


@pytest.fixture(scope='module')
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A running S3 server."""
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

    def test_leads_to_the_bytes_for_a_minute(self, client: Any, url: str) -> None:
        response = client.get(url)

        assert (response.status_code, response.data) == (302, b'')
        assert response.headers['Cache-Control'] == 'no-store'
        assert 'X-Amz-Expires=60&' in response.location
        found = requests.get(response.location, timeout=5)
        assert found.content == self.CONTENT
        assert found.headers['Content-Type'].startswith('text/plain')
        disposition = found.headers['Content-Disposition']
        assert disposition.endswith("; filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt")

    def test_leads_to_nothing_else(self, client: Any, url: str) -> None:
        address = client.get(url).location

        for other in (address.replace('.txt', '.exe'), address.split('?')[0]):
            assert requests.get(other, timeout=5).status_code == 403

    def test_gives_a_range_there(self, client: Any, url: str) -> None:
        asked = {'Range': 'bytes=2-4'}

        found = requests.get(client.get(url, headers=asked).location, headers=asked, timeout=5)

        assert (found.status_code, found.content) == (206, b'234')

    @pytest.mark.parametrize('many', ['bytes=' + ','.join(['0-0'] * 17), 'lines=1-2'])
    def test_sends_here_what_would_be_another_answer_there(
        self, client: Any, url: str, many: str
    ) -> None:
        response = client.get(url, headers={'Range': many})

        assert (response.status_code, response.data) == (200, self.CONTENT)

    def test_still_says_here_that_nothing_changed_or_is_there(self, client: Any, url: str) -> None:
        head = client.head(url)

        assert (head.status_code, head.headers['Content-Length']) == (200, '10')
        same = client.get(url, headers={'If-None-Match': head.headers['ETag']})
        assert same.status_code == 304
        assert client.get(url, headers={'Range': 'bytes=10-'}).status_code == 416

    def test_does_not_ask_there_by_dates(self, client: Any, url: str) -> None:
        # What somebody went back to is older than what a client has, and other bytes all the same.
        response = client.get(url, headers={'If-Modified-Since': 'Mon, 23 Nov 2099 08:00:00 GMT'})

        assert (response.status_code, response.data) == (200, self.CONTENT)

    def test_counts_where_it_leads(self, client: Any, anybody: Any, ada: Any) -> None:
        file = store(ada.id, self.CONTENT)
        made = client.post(f'{URL}/{file.id}/links', json={'max_downloads': 1})
        shared = f'{URL}/shared/{data(made)["token"]}/content'

        assert anybody.get(shared).status_code == 302
        assert anybody.get(shared).status_code == 404
