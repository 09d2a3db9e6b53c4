"""Duration of uploads while other clients stop in the middle of a request and send nothing more."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from urllib.parse import urlsplit

import pytest
import requests

from tests.servers.nginx import proxy

from .accounts import API, create_users, log_in
from .harness import IS_LONG, ServiceUnderTest, figure, service_under_test

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]

STALLED_CLIENTS = 32
NAMES = ['stalls', 'anonymous']
UPLOAD_SIZES = [50_000] * 20 + [1_000_000] * 5
# 1 s on a quiet machine. An upload that had to wait for the stalled clients would take 10 s.
MAX_UPLOAD_SECONDS = 1.0 if IS_LONG else 3.0
UPLOAD = '/files?name=large'


def head(path: str, length: int, token: str, *headers: str) -> bytes:
    """Return the head of a POST request.

    :param length: the declared number of bytes in the body; 0 for a chunked body.
    """
    lines = [f'POST {API}{path} HTTP/1.1', 'Host: localhost', *headers]
    lines += [f'Content-Length: {length}'] if length else ['Transfer-Encoding: chunked']
    lines += [f'Authorization: Bearer {token}'] if token else []
    return '\r\n'.join([*lines, '', '']).encode()


JSON = 'Content-Type: application/json'
# By name: the bytes that a client sends before it stalls, with or without a token.
CASES: dict[str, Callable[[str], bytes]] = {
    'one byte of 50 kB': lambda token: head(UPLOAD, 50_000, token) + b'x',
    'half of 1 MB': lambda token: head(UPLOAD, 1_000_000, token) + b'x' * 500_000,
    'a body held back': lambda token: head(UPLOAD, 50_000, token, 'Expect: 100-continue'),
    'half a chunk': lambda token: head(UPLOAD, 0, token) + b'FFFFF\r\n' + b'x' * 40_000,
    'many small chunks': lambda token: head(UPLOAD, 0, token) + b'1\r\nx\r\n' * 100,
    'half of 100 kB of JSON': lambda token: (
        head('/auth/keys', 100_000, token, JSON) + b' ' * 50_000
    ),
    'a head without end': lambda token: head(UPLOAD, 9, token)[:-2] + b'X-Many: 1\r\n' * 3200,
}


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceUnderTest]:
    """Run a service with the users `stalls` and `uploads`."""
    var = tmp_path_factory.mktemp('stalling')
    with service_under_test(var, 'postgresql', TRUSTED_PROXIES='1') as service:
        create_users(service, 'stalls', 'uploads')
        yield service


@pytest.fixture(scope='module')
def tokens(service: ServiceUnderTest) -> dict[str, str]:
    """Return the token of each user. The client `anonymous` has an empty token."""
    found = {name: log_in(service, name).json()['data']['token'] for name in ('stalls', 'uploads')}
    return {**found, 'anonymous': ''}


@pytest.fixture(scope='module')
def ports(
    service: ServiceUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, int]]:
    """Yield two ports: of the service, and of nginx in front of it."""
    direct = int(urlsplit(service.url).port or 0)
    with proxy(direct, tmp_path_factory.mktemp('nginx')) as through:
        yield {'directly': direct, 'through nginx': through}


# The cases that CI runs; `make soak` runs all.
SHORT = [
    ('one byte of 50 kB', 'stalls'),
    ('half of 1 MB', 'stalls'),
    ('a body held back', 'stalls'),
    ('a head without end', 'anonymous'),
]


@pytest.mark.parametrize(('case', 'name'), list(product(CASES, NAMES)) if IS_LONG else SHORT)
@pytest.mark.parametrize('route', ['directly', 'through nginx'])
def test_stalled_clients_do_not_delay_the_upload_of_another_user(
    ports: dict[str, int], tokens: dict[str, str], case: str, route: str, name: str
) -> None:
    with ExitStack() as stack:
        for _ in range(STALLED_CLIENTS):
            sock = stack.enter_context(socket.create_connection(('127.0.0.1', ports[route])))
            sock.sendall(CASES[case](tokens[name]))
        times = [upload(ports[route], tokens['uploads'], size) for size in UPLOAD_SIZES]

    figure(f'{case}, {name}, {route}: slowest of {len(times)} uploads {max(times):.2f} s')
    assert max(times) <= MAX_UPLOAD_SECONDS


def upload(port: int, token: str, size: int) -> float:
    """Upload a file; return the duration in seconds."""
    began = time.monotonic()
    answer = requests.post(
        f'http://127.0.0.1:{port}{API}/files',
        params={'name': 'small'},
        data=b'x' * size,
        headers={'Authorization': f'Bearer {token}'},
        timeout=20,
    )
    assert answer.status_code == 201, answer.text
    return time.monotonic() - began


@pytest.mark.parametrize('way', ['directly', 'through nginx'])
def test_unread_downloads_do_not_delay_another_user(
    ports: dict[str, int], tokens: dict[str, str], way: str
) -> None:
    files = f'http://127.0.0.1:{ports[way]}{API}/files'
    found = {}
    for name in ('stalls', 'uploads'):
        authorization = {'Authorization': f'Bearer {tokens[name]}'}
        answer = requests.post(
            files, params={'name': way}, data=b'x' * 20_000_000, headers=authorization, timeout=20
        )
        found[name] = f'/files/{answer.json()["data"]["id"]}/content'
    request = (
        f'GET {API}{found["stalls"]} HTTP/1.1\r\nHost: localhost\r\n'
        f'Authorization: Bearer {tokens["stalls"]}\r\n\r\n'
    ).encode()

    with ExitStack() as stack:
        for _ in range(STALLED_CLIENTS):
            sock = stack.enter_context(socket.create_connection(('127.0.0.1', ports[way])))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(request)
        times = [upload(ports[way], tokens['uploads'], size) for size in UPLOAD_SIZES]
        answer = requests.get(
            f'http://127.0.0.1:{ports[way]}{API}{found["uploads"]}',
            headers={'Authorization': f'Bearer {tokens["uploads"]}'}, timeout=20,
        )  # fmt: skip

    figure(f'unread downloads, {way}: slowest of {len(times)} uploads {max(times):.2f} s')
    assert max(times) <= MAX_UPLOAD_SECONDS
    assert len(answer.content) == 20_000_000
