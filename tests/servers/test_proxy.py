"""Behaviour of `deploy/nginx.conf`, with nginx in front of gunicorn."""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from project.core.security.tokens import new_token
from project.core.web.responses.headers import API

from ..core.server.serving import ROOT, Client, free_port, get, post, small_service
from .nginx import proxy

# URLs, commands and tables of these features.
requires = ('files',)

pytestmark = pytest.mark.servers

UPLOAD = '/api/v1/files'


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for the files of nginx, with one stored object."""
    folder = tmp_path_factory.mktemp('proxy')
    stored = folder / 'var' / 'storage' / 'ab'
    stored.mkdir(parents=True)
    (stored / 'cdef').write_bytes(b'0123456789')
    return folder


@pytest.fixture(scope='module')
def service_port() -> Iterator[int]:
    """Run the small service and yield its port."""
    with small_service() as service:
        yield service.port


@pytest.fixture(scope='module')
def port(service_port: int, folder: Path) -> Iterator[int]:
    """Run nginx in front of the service; yield the port of nginx."""
    with proxy(service_port, folder) as port:
        yield port


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    """Yield a connection to nginx."""
    with Client(port) as client:
        yield client


class TestErrorResponses:
    @pytest.mark.parametrize(
        ('status', 'request_', 'key'),
        [
            (400, b'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 'request'),
            (400, b'garbage\r\n\r\n', 'request'),
            (400, post(0).replace(b': 0', b': x'), 'request'),
            (404, get('/_storage/ranges/ab/cdef'), 'url'),
            (405, get().replace(b'GET', b'TRACE'), 'method'),
            (413, post(7 << 20), 'size'),
            (413, post(12 << 30, path=UPLOAD), 'size'),
            (414, get('/' + 'x' * 10_000), 'request'),
            (431, get('/', 'X-Long: ' + 'x' * 10_000), 'request'),
        ],
    )
    def test_are_in_jsend(self, client: Client, status: int, request_: bytes, key: str) -> None:
        answer = client.ask(request_)

        assert answer.status == status
        assert answer.json.keys() == {'status', 'data'}
        assert answer.json['status'] == 'fail'
        assert answer.json['data'].keys() == {key}
        assert {n: answer.headers[n.lower()] for n, _ in API} == dict(API)
        assert len(answer.headers['x-request-id']) == 32

    def test_are_errors_if_the_service_does_not_listen(self, tmp_path: Path) -> None:
        with proxy(free_port(), tmp_path) as port, Client(port) as client:
            answer = client.ask(get())

        assert answer.status == 502
        assert answer.json.keys() == {'status', 'message', 'code'}
        assert (answer.json['status'], answer.json['code']) == ('error', 502)
        assert answer.headers['retry-after'] == '5'
        assert 'allow' not in answer.headers

    def test_are_errors_if_the_service_exceeds_the_timeout(
        self, service_port: int, tmp_path: Path
    ) -> None:
        with proxy(service_port, tmp_path, read_timeout='1s') as port, Client(port) as client:
            answer = client.ask(get('/slow?seconds=1.5'))

        assert answer.status == 504
        assert (answer.json['status'], answer.json['code']) == ('error', 504)
        assert answer.headers['retry-after'] == '5'

    def test_are_errors_for_another_major_version(self, client: Client) -> None:
        answer = client.ask(get().replace(b'HTTP/1.1', b'HTTP/2.0'))

        assert (answer.status, answer.json['code']) == (505, 505)

    def test_cover_every_status_that_nginx_names(self) -> None:
        text = (ROOT / 'deploy' / 'nginx.conf').read_text()
        [codes] = re.findall(r'error_page ((?:\d+ )+)/_refused;', text)
        messages = re.findall(r"^ +(\d{3}) '\{", text, re.MULTILINE)

        # nginx replaces 494 by 431; 500 is the default of the map.
        assert {*codes.split(), '431'} == {*messages, '500'}

    def test_list_the_allowed_methods(self, client: Client) -> None:
        answer = client.ask(get().replace(b'GET', b'TRACE'))

        assert answer.status == 405
        assert answer.headers['allow'] == 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
        assert 'retry-after' not in answer.headers

    def test_do_not_replace_those_of_the_service(self, client: Client) -> None:
        answer = client.ask(get('/nowhere'))

        assert answer.status == 404
        assert b'<!doctype html>' in answer.body, 'the response is of Flask, not of nginx'


class TestUpstream:
    def test_uses_the_next_server_if_one_does_not_listen(
        self, service_port: int, tmp_path: Path
    ) -> None:
        with proxy([free_port(), service_port], tmp_path) as port:
            for method in (get(), post(3) + b'abc', post(3, path=UPLOAD) + b'abc') * 3:
                with Client(port) as client:
                    assert client.ask(method).status in (200, 404)


class TestLimitConn:
    def test_rejects_more_than_128_connections_of_one_ip_address(self, port: int) -> None:
        half = post(100, path=UPLOAD) + b'x'
        with ExitStack() as stack:
            for _ in range(128):
                stack.enter_context(Client(port)).send(half)
            # nginx counts a request only when it has read all of its headers.
            status = 200
            while status == 200:
                with Client(port) as one_more:
                    answer = one_more.ask(get())
                    status = answer.status

        assert answer.status == 429
        assert answer.headers['retry-after'] == '5'
        assert answer.json['data'].keys() == {'rate'}


class TestHeaders:
    def test_contain_the_client_ip_address(self, client: Client) -> None:
        received = client.ask(get('/address')).json

        assert received['x-forwarded-for'] == '127.0.0.1'
        assert received['x-forwarded-proto'] == 'http'
        assert received['host'] == 'localhost'

    @pytest.mark.parametrize(
        ('request_', 'host'),
        [
            (get('http://API.example.test:8/address'), 'API.example.test:8'),
            (get('/address?u=http://api.example.test/'), 'localhost'),
            (b'GET /address HTTP/1.0\r\n\r\n', 'localhost'),
        ],
    )
    def test_contain_the_host_of_the_request_line(
        self, client: Client, request_: bytes, host: str
    ) -> None:
        assert client.ask(request_).json['host'] == host

    def test_append_to_those_of_another_proxy(self, client: Client) -> None:
        forged = ('X-Forwarded-For: 192.0.2.1', 'X-Forwarded-Proto: https')

        received = client.ask(get('/address', *forged)).json

        # The service reads these lists from the end, so values that the client sends have no
        # effect.
        assert received['x-forwarded-for'] == '192.0.2.1, 127.0.0.1'
        assert received['x-forwarded-proto'] == 'https, http'

    def test_do_not_include_forged_headers_of_a_client(self, client: Client) -> None:
        forged = ('X-Forwarded-Host: evil.example', 'X-Forwarded-Prefix: /x', 'Forwarded: for=x')

        received = client.ask(get('/address', *forged)).json

        assert not received.keys() & {'x-forwarded-host', 'x-forwarded-prefix', 'forwarded'}

    @pytest.mark.parametrize(('sent', 'kept'), [('a.B-c_1', True), ('a b', False), ('', False)])
    def test_keep_a_valid_request_id(self, client: Client, sent: str, kept: bool) -> None:
        got = client.ask(get('/address', f'X-Request-ID: {sent}')).json['x-request-id']

        assert (got == sent) is kept
        assert got


class TestDownloads:
    def test_of_slow_readers_occupy_no_thread(self, port: int, client: Client) -> None:
        # There are more of these clients than threads of the service, and they do not read.
        readers = [Client(port) for _ in range(10)]
        for reader in readers:
            reader.send(get('/large'))
        time.sleep(0.5)

        # On a busy machine nginx needs some time to receive all responses from the service.
        end = time.monotonic() + 20
        while (status := client.ask(get()).status) != 200 and time.monotonic() < end:
            pass

        for reader in readers:
            reader.close()
        assert status == 200

    def test_arrive_complete(self, client: Client) -> None:
        assert client.ask(get('/large')).body == bytes(64 * 1024 * 1024)


class TestLogs:
    def test_mask_the_token_of_a_share_link_if_the_service_does_not_listen(
        self, tmp_path: Path
    ) -> None:
        token = new_token('psl')
        with proxy(free_port(), tmp_path) as port, Client(port) as client:
            answer = client.ask(get(f'{UPLOAD}/shared/{token}'))
            client.ask(get('/healthz'))

        shared, health = map(json.loads, (tmp_path / 'access.log').read_text().splitlines())
        errors = (tmp_path / 'error.log').read_text()
        assert (answer.status, shared['status'], health['status']) == (502, 502, 502)
        assert shared['request'] == f'GET {UPLOAD}/shared/psl_***'
        assert shared['request_id'] == answer.headers['x-request-id']
        assert 'GET /healthz HTTP/1.1' in errors, 'other errors are logged'
        assert token not in errors

    def test_have_no_line_for_a_response_of_the_service(self, client: Client, folder: Path) -> None:
        client.ask(get('/answered'))

        assert '/answered' not in (folder / 'access.log').read_text()


class TestOwnHealth:
    def test_is_served_on_a_local_port(self, tmp_path: Path) -> None:
        own = free_port()

        with proxy(free_port(), tmp_path, own), Client(own) as probe:
            answer = probe.ask(get('/'))

        assert (answer.status, answer.json) == (200, {'status': 'success', 'data': None})

    def test_is_checked_there_by_the_compose_file(self) -> None:
        compose = (ROOT / 'docker-compose.yml').read_text()
        configuration = (ROOT / 'deploy' / 'nginx.conf').read_text()

        assert 'listen 127.0.0.1:8081;' in configuration
        assert '"http://127.0.0.1:8081/"' in compose

    def test_is_not_served_on_the_public_port(self, client: Client) -> None:
        answer = client.ask(get('/healthz/proxy'))

        assert answer.status == 404
        assert b'<!doctype html>' in answer.body, 'the response is of Flask, not of nginx'


class TestUploads:
    HALF = b'x' * 50_000

    def test_of_files_reach_the_service_immediately(self, client: Client) -> None:
        # The service has no such route. It responds before the rest of the body arrives.
        assert client.ask(post(100_000, path=f'{UPLOAD}/none') + self.HALF).status == 404

    @pytest.mark.parametrize(
        ('head', 'connection'),
        [
            (post(1_000_000, path=f'{UPLOAD}/none'), 'close'),
            (post(999_999, path=f'{UPLOAD}/none'), 'keep-alive'),
            (post(0, 'Transfer-Encoding: chunked', path=f'{UPLOAD}/none').replace(
                b'Content-Length: 0\r\n', b'') + b'c350\r\n', 'close'),
        ],
    )  # fmt: skip
    def test_announce_the_end_of_the_connection_if_a_large_body_may_be_unread(
        self, client: Client, head: bytes, connection: str
    ) -> None:
        answer = client.ask(head + self.HALF)

        assert (answer.status, answer.headers['connection']) == (404, connection)

    def test_to_other_routes_are_complete_before_the_service_receives_them(
        self, client: Client
    ) -> None:
        client.send(post(100_000, path='/none') + self.HALF)
        client.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.sock.recv(1)
        client.sock.settimeout(5)

        assert client.ask(self.HALF).status == 404

    def test_arrive_unchanged(self, client: Client) -> None:
        body = os.urandom(5_000_000)

        answer = client.ask(post(len(body)) + body)

        assert answer.json == {'size': len(body), 'sha256': hashlib.sha256(body).hexdigest()}


class TestStorage:
    def test_sends_the_file_named_by_the_service(self, client: Client) -> None:
        answer = client.ask(get('/stored/ab/cdef'))

        assert (answer.status, answer.body) == (200, b'0123456789')
        assert answer.headers['content-type'] == 'text/plain'
        assert answer.headers['content-disposition'] == 'attachment'
        assert answer.headers['etag'] == '"of-the-content"'
        assert answer.headers['content-security-policy'] == "default-src 'none'; sandbox"
        assert answer.headers['x-content-type-options'] == 'nosniff'
        assert 'x-accel-redirect' not in answer.headers

    @pytest.mark.parametrize('condition', [(), ('If-Range: "of-the-content"',)])
    def test_sends_a_range(self, client: Client, condition: tuple[str, ...]) -> None:
        answer = client.ask(get('/stored/ab/cdef', 'Range: bytes=2-4', *condition))

        assert (answer.status, answer.body) == (206, b'234')
        assert answer.headers['content-range'] == 'bytes 2-4/10'

    def test_sends_the_complete_file_for_another_etag(self, client: Client) -> None:
        answer = client.ask(get('/stored/ab/cdef', 'Range: bytes=2-4', 'If-Range: "other"'))

        assert (answer.status, answer.body) == (200, b'0123456789')

    def test_rejects_an_unsatisfiable_range(self, client: Client) -> None:
        answer = client.ask(get('/stored/ab/cdef', 'Range: bytes=20-'))

        assert answer.status == 416
        assert answer.headers['content-range'] == 'bytes */10'
        assert answer.json['data'].keys() == {'range'}

    def test_returns_404_to_clients(self, client: Client) -> None:
        for folder in ('', 'ranges/', 'whole/'):
            assert client.ask(get(f'/_storage/{folder}ab/cdef')).status == 404
