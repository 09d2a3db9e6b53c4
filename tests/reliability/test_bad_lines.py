"""Resumable uploads over slow connections that break: stored bytes need not be sent again."""

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from select import select
from urllib.parse import urlsplit

import pytest
import requests

from tests.servers.test_proxy import proxy
from tests.service import is_serving

from .accounts import API, PASSWORD, create_users, log_in
from .harness import IS_LONG, ServiceUnderTest, figure, kill, service_under_test, wait_until
from .raw_http import ENDINGS, reset

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

TUS = {'Tus-Resumable': '1.0.0'}
RATE_BYTES_PER_SECOND = 15_000
# In the long run (`make soak`), the connection breaks once a minute, for four minutes.
SECONDS, SIZE = (60.0, 3_600_000) if IS_LONG else (2.0, 120_000)
STEP_SECONDS = 0.05
MAX_BYTES_SENT_TWICE = 64 * 1024  # per cut
BURST = 900_000


@dataclass
class SlowClient:
    """A client that uploads over a slow connection and breaks it.

    :param url: the URL of the service or of a proxy.
    """

    url: str
    token: str
    content: bytes
    is_chunked: bool = False
    location: str = ''
    sent: int = 0
    cuts: int = 0
    _silent: list[socket.socket] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that all requests contain."""
        return {**TUS, 'Authorization': f'Bearer {self.token}'}

    def begin(self) -> None:
        """Create the resumable upload."""
        headers = {**self.headers, 'Upload-Length': str(len(self.content))}
        answer = requests.post(f'{self.url}{API}/files/uploads', headers=headers, timeout=20)
        self.location = answer.headers['Location']

    def shown(self) -> tuple[int, str]:
        """Return the offset that the server reports, and the file id if the upload is complete."""
        answer = requests.head(self.url + self.location, headers=self.headers, timeout=20)
        assert answer.status_code == 200
        return int(answer.headers['Upload-Offset']), answer.headers.get('X-File-Id', '')

    def connect(self, offset: int) -> socket.socket:
        """Connect and send the head of a PATCH request with all remaining bytes."""
        target = urlsplit(self.url)
        sock = socket.create_connection((target.hostname, target.port), timeout=30)
        body = f'Content-Length: {len(self.content) - offset}'
        lines = [
            f'PATCH {self.location} HTTP/1.1', f'Host: {target.hostname}',
            *(f'{name}: {value}' for name, value in self.headers.items()),
            'Content-Type: application/offset+octet-stream', f'Upload-Offset: {offset}',
            'Transfer-Encoding: chunked' if self.is_chunked else body,
        ]  # fmt: skip
        sock.sendall('\r\n'.join(lines).encode() + b'\r\n\r\n')
        return sock

    def send(self, sock: socket.socket, block: bytes) -> None:
        """Send a part of the request body."""
        framed = b'%x\r\n%s\r\n' % (len(block), block) if self.is_chunked else block
        sock.sendall(framed)
        self.sent += len(block)

    def send_slowly(
        self, offset: int, seconds: float, rate: int = RATE_BYTES_PER_SECOND
    ) -> socket.socket:
        """Send until the time is over, the upload is complete or a response arrives.

        A response before the end is a 409: the previous request stored its last bytes after this
        client had read the offset.
        """
        sock, deadline = self.connect(offset), time.monotonic() + seconds
        while time.monotonic() < deadline and offset < len(self.content):
            if select([sock], [], [], 0)[0]:
                return sock
            block = self.content[offset : offset + int(rate * STEP_SECONDS)]
            self.send(sock, block)
            offset += len(block)
            time.sleep(STEP_SECONDS)
        if offset == len(self.content):
            if self.is_chunked:
                sock.sendall(b'0\r\n\r\n')
            sock.recv(4096)
        return sock

    def end(self, sock: socket.socket, ending: str) -> None:
        """Break the connection. With `silent`, the server does not notice it."""
        if ending == 'silent':
            self._silent.append(sock)
        elif ending == 'reset':
            reset(sock)
        else:
            sock.close()

    def upload(self) -> str:
        """Upload the content although the connection breaks repeatedly; return the file id."""
        self.begin()
        for ending in cycle(ENDINGS):
            offset, file_id = self.shown()
            if file_id:
                break
            sock = self.send_slowly(offset, SECONDS)
            self.cuts += 1
            self.end(sock, ending)
        for sock in self._silent:
            sock.close()
        return file_id


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceUnderTest]:
    """Run a service with one user."""
    with service_under_test(tmp_path / 'var', 'sqlite') as service:
        create_users(service, 'ada')
        yield service


@pytest.fixture
def token(service: ServiceUnderTest) -> str:
    """Return a token of the user."""
    found: str = log_in(service, 'ada', PASSWORD).json()['data']['token']
    return found


def test_an_upload_over_a_slow_breaking_connection_finishes(
    service: ServiceUnderTest, token: str, tmp_path: Path
) -> None:
    folder = tmp_path / 'proxy'
    folder.mkdir()
    with ExitStack() as stack:
        port = stack.enter_context(proxy(urlsplit(service.url).port or 0, folder))
        clients = {
            f'{name}, {"chunked" if is_chunked else "of known length"}': SlowClient(
                url, token, os.urandom(SIZE), is_chunked
            )
            for name, url in (('directly', service.url), ('nginx', f'http://127.0.0.1:{port}'))
            for is_chunked in (False, True)
        }
        with ThreadPoolExecutor(len(clients)) as threads:
            files = list(threads.map(SlowClient.upload, clients.values()))

    for (name, client), file_id in zip(clients.items(), files, strict=True):
        twice = client.sent - SIZE
        figure(
            f'tus at {RATE_BYTES_PER_SECOND} B/s, cut every {SECONDS:g} s, {name}: {SIZE} bytes, '
            f'{client.cuts} cuts, sent twice {twice} bytes'
        )
        assert client.cuts >= 4
        assert twice <= MAX_BYTES_SENT_TWICE * client.cuts
        content = requests.get(
            f'{service.url}{API}/files/{file_id}/content', headers=client.headers, timeout=20
        )
        assert content.content == client.content


@pytest.mark.parametrize('is_chunked', [False, True])
@pytest.mark.parametrize('ending', ['closed', 'reset'])
def test_bytes_received_before_a_cut_are_kept(
    service: ServiceUnderTest, token: str, ending: str, is_chunked: bool
) -> None:
    client = SlowClient(service.url, token, os.urandom(4 * BURST), is_chunked)
    client.begin()

    for number in range(1, 4):
        offset, _ = client.shown()
        sock = client.connect(offset)
        client.send(sock, client.content[offset : offset + BURST])
        if ending == 'reset':
            # A reset would discard the bytes that the server has not read yet.
            time.sleep(0.5)
        client.end(sock, ending)
        wait_until(
            lambda least=number * (BURST - MAX_BYTES_SENT_TWICE): client.shown()[0] >= least, 5
        )


def test_a_killed_worker_loses_at_most_the_last_second(
    service: ServiceUnderTest, token: str
) -> None:
    client, rate = SlowClient(service.url, token, os.urandom(4_000_000)), 200_000
    client.begin()

    sock = client.send_slowly(0, 4, rate)
    for pid in service.web_workers:
        kill(pid)
    sock.close()
    wait_until(lambda: is_serving(service.web, service.url, service.var / 'service.log'), 20)
    offset, _ = client.shown()

    figure(f'SIGKILL after {client.sent} bytes at {rate} B/s: {client.sent - offset} bytes lost')
    # The server stores the offset about once a second; this takes longer on a busy machine.
    assert client.sent - offset <= rate * (1.2 if IS_LONG else 2)
