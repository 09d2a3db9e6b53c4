"""The client of the virus scanner clamd: it sends bytes and interprets the response."""

import socket
import socketserver
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from project.files.clamd import (
    ScannerSizeLimit,
    ScannerUnavailable,
    find_signature,
    parse_scanner_url,
    ping,
)
from tests.clamd import EICAR, LARGEST, standing_in
from tests.core.server.serving import free_port


def answering(answer: bytes) -> type[socketserver.BaseRequestHandler]:
    """Return a server handler that reads the start of a command and sends `answer`."""

    class Answering(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.read(6)
            self.wfile.write(answer)

    return Answering


class TestParseScannerUrl:
    @pytest.mark.parametrize(
        ('url', 'place'),
        [
            ('clamd://host:3311', ('host', 3311)),
            ('clamd://host', ('host', 3310)),
            ('clamd:///run/clam%20d.sock', '/run/clam d.sock'),
        ],
    )
    def test_returns_the_host_and_port_or_the_path(
        self, url: str, place: tuple[str, int] | str
    ) -> None:
        assert parse_scanner_url(url) == place

    @pytest.mark.parametrize('url', ['', 'host:3310', 'clamd://', 'clamd:///', 'clamd://h:x'])
    def test_raises_for_other_urls(self, url: str) -> None:
        with pytest.raises(ValueError, match='must be clamd://'):
            parse_scanner_url(url)


class TestFindSignature:
    @pytest.mark.parametrize('blocks', [[], [b'Hello.'], [b'a' * 100_000, b'b']])
    def test_returns_none_for_clean_bytes(self, address: str, blocks: list[bytes]) -> None:
        assert find_signature(address, blocks) is None

    @pytest.mark.parametrize('blocks', [[EICAR], [b'x' * 1000 + EICAR[:30], EICAR[30:] + b'y']])
    def test_returns_the_name_of_the_malware(self, address: str, blocks: list[bytes]) -> None:
        assert find_signature(address, blocks) == 'Eicar-Local-Body.UNOFFICIAL'

    def test_raises_size_limit_for_too_many_bytes(self, address: str) -> None:
        with pytest.raises(ScannerSizeLimit):
            find_signature(address, [b'x' * 100_000] * (LARGEST // 100_000 + 50))

    @pytest.mark.parametrize(
        'answer', [b'', b'stream: ', b'garbage', b'\0', b'\xff\0', b'Engine: no memory ERROR\0']
    )
    def test_raises_scanner_unavailable_for_other_answers(self, answer: bytes) -> None:
        with standing_in(answering(answer)) as address, pytest.raises(ScannerUnavailable):
            find_signature(address, [b'Hello.'])

    def test_raises_scanner_unavailable_without_a_server(self, tmp_path: Path) -> None:
        for address in (f'clamd://127.0.0.1:{free_port()}', f'clamd://{tmp_path}/none'):
            with pytest.raises(ScannerUnavailable):
                find_signature(address, [b'Hello.'])

    def test_raises_scanner_unavailable_after_the_timeout(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr('project.files.clamd.CLAMD_TIMEOUT_SECONDS', 0.05)
        with socket.create_server(('127.0.0.1', 0)) as silent:
            address = f'clamd://127.0.0.1:{silent.getsockname()[1]}'

            with pytest.raises(ScannerUnavailable):
                find_signature(address, [b'Hello.'])

    def test_connects_to_a_unix_socket(self, tmp_path: Path) -> None:
        path = tmp_path / 'a socket'
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()

            def answer() -> None:
                with server.accept()[0] as connection:
                    received = b''
                    while not received.endswith(bytes(4)):
                        received += connection.recv(100)
                    connection.sendall(b'stream: OK\0')

            thread = Thread(target=answer)
            thread.start()
            address = f'clamd://{path}'.replace(' ', '%20')
            assert find_signature(address, [b'Hello.']) is None
            thread.join()

    def test_does_not_catch_errors_of_the_bytes(self, address: str) -> None:
        def broken() -> Iterator[bytes]:
            yield b'Hello.'
            raise LookupError

        with pytest.raises(LookupError):
            find_signature(address, broken())


class TestPing:
    def test_returns_when_the_scanner_answers(self, address: str) -> None:
        ping(address)

    def test_raises_scanner_unavailable_without_a_pong(self) -> None:
        with pytest.raises(ScannerUnavailable):
            ping(f'clamd://127.0.0.1:{free_port()}')
        with standing_in(answering(b'WHAT\0')) as address, pytest.raises(ScannerUnavailable):
            ping(address)
