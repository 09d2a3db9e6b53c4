"""Resumable uploads over slow lines that break: bytes that have arrived need not be sent again."""

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

from .accounts import API, PASSWORD, log_in, make_users
from .harness import IS_LONG, Attacked, attacked, figure, kill, wait_until
from .raw_http import WAYS, reset

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

TUS = {'Tus-Resumable': '1.0.0'}
RATE = 15_000  # bytes per second
# In full: a line that breaks once a minute, long enough for four minutes.
SECONDS, SIZE = (60.0, 3_600_000) if IS_LONG else (2.0, 120_000)
STEP_SECONDS = 0.05
MAX_SENT_TWICE = 64 * 1024  # bytes for each cut
BURST = 900_000


@dataclass
class Phone:
    """A client on a bad line.

    :param url: where it uploads to, which may be a proxy.
    """

    url: str
    token: str
    content: bytes
    is_chunked: bool = False
    place: str = ''
    sent: int = 0
    cuts: int = 0
    _silent: list[socket.socket] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each request."""
        return {**TUS, 'Authorization': f'Bearer {self.token}'}

    def begin(self) -> None:
        """Create the upload."""
        headers = {**self.headers, 'Upload-Length': str(len(self.content))}
        answer = requests.post(f'{self.url}{API}/files/uploads', headers=headers, timeout=20)
        self.place = answer.headers['Location']

    def shown(self) -> tuple[int, str]:
        """Return the offset, and the id of the file once there is one."""
        answer = requests.head(self.url + self.place, headers=self.headers, timeout=20)
        assert answer.status_code == 200
        return int(answer.headers['Upload-Offset']), answer.headers.get('X-File-Id', '')

    def connect(self, offset: int) -> socket.socket:
        """Send the head of a PATCH that announces all the rest."""
        target = urlsplit(self.url)
        sock = socket.create_connection((target.hostname, target.port), timeout=30)
        body = f'Content-Length: {len(self.content) - offset}'
        lines = [
            f'PATCH {self.place} HTTP/1.1', f'Host: {target.hostname}',
            *(f'{name}: {value}' for name, value in self.headers.items()),
            'Content-Type: application/offset+octet-stream', f'Upload-Offset: {offset}',
            'Transfer-Encoding: chunked' if self.is_chunked else body,
        ]  # fmt: skip
        sock.sendall('\r\n'.join(lines).encode() + b'\r\n\r\n')
        return sock

    def send(self, sock: socket.socket, block: bytes) -> None:
        """Send bytes of the body."""
        framed = b'%x\r\n%s\r\n' % (len(block), block) if self.is_chunked else block
        sock.sendall(framed)
        self.sent += len(block)

    def send_slowly(self, offset: int, seconds: float, rate: int = RATE) -> socket.socket:
        """Send for a while, to the end, or until there is an answer.

        It is 409 if the request before this one saved its last bytes after the offset was read.
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

    def end(self, sock: socket.socket, way: str) -> None:
        """Break the line; silently, the server does not learn of it."""
        if way == 'silent':
            self._silent.append(sock)
        elif way == 'reset':
            reset(sock)
        else:
            sock.close()

    def upload(self) -> str:
        """Upload over a line that breaks again and again; return the id of the file."""
        self.begin()
        for way in cycle(WAYS):
            offset, file_id = self.shown()
            if file_id:
                break
            sock = self.send_slowly(offset, SECONDS)
            self.cuts += 1
            self.end(sock, way)
        for sock in self._silent:
            sock.close()
        return file_id


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Attacked]:
    """A service with one user."""
    with attacked(tmp_path / 'var', 'sqlite') as service:
        make_users(service, 'ada')
        yield service


@pytest.fixture
def token(service: Attacked) -> str:
    """The user's token."""
    found: str = log_in(service, 'ada', PASSWORD).json()['data']['token']
    return found


def test_an_upload_over_a_slow_line_that_breaks_finishes(
    service: Attacked, token: str, tmp_path: Path
) -> None:
    folder = tmp_path / 'proxy'
    folder.mkdir()
    with ExitStack() as stack:
        port = stack.enter_context(proxy(urlsplit(service.url).port or 0, folder))
        phones = {
            f'{name}, {"chunked" if is_chunked else "of known length"}': Phone(
                url, token, os.urandom(SIZE), is_chunked
            )
            for name, url in (('directly', service.url), ('nginx', f'http://127.0.0.1:{port}'))
            for is_chunked in (False, True)
        }
        with ThreadPoolExecutor(len(phones)) as threads:
            files = list(threads.map(Phone.upload, phones.values()))

    for (name, phone), file_id in zip(phones.items(), files, strict=True):
        twice = phone.sent - SIZE
        figure(
            f'tus at {RATE} B/s, cut every {SECONDS:g} s, {name}: {SIZE} bytes, {phone.cuts} cuts, '
            f'sent twice {twice} bytes'
        )
        assert phone.cuts >= 4
        assert twice <= MAX_SENT_TWICE * phone.cuts
        content = requests.get(
            f'{service.url}{API}/files/{file_id}/content', headers=phone.headers, timeout=20
        )
        assert content.content == phone.content


@pytest.mark.parametrize('is_chunked', [False, True])
@pytest.mark.parametrize('way', ['closed', 'reset'])
def test_what_came_before_a_cut_counts(
    service: Attacked, token: str, way: str, is_chunked: bool
) -> None:
    phone = Phone(service.url, token, os.urandom(4 * BURST), is_chunked)
    phone.begin()

    for number in range(1, 4):
        offset, _ = phone.shown()
        sock = phone.connect(offset)
        phone.send(sock, phone.content[offset : offset + BURST])
        if way == 'reset':
            # A reset discards what the server has not yet read.
            time.sleep(0.5)
        phone.end(sock, way)
        wait_until(lambda least=number * (BURST - MAX_SENT_TWICE): phone.shown()[0] >= least, 5)


def test_a_killed_worker_loses_the_last_second(service: Attacked, token: str) -> None:
    phone, rate = Phone(service.url, token, os.urandom(4_000_000)), 200_000
    phone.begin()

    sock = phone.send_slowly(0, 4, rate)
    for pid in service.web_workers:
        kill(pid)
    sock.close()
    wait_until(lambda: is_serving(service.web, service.url, service.var / 'service.log'), 20)
    offset, _ = phone.shown()

    figure(f'SIGKILL after {phone.sent} bytes at {rate} B/s: {phone.sent - offset} bytes lost')
    # A checkpoint itself takes a moment, on a busy machine a long one.
    assert phone.sent - offset <= rate * (1.2 if IS_LONG else 2)
