"""Ask clamd whether bytes are infected, and interpret its answers."""

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


def saying(answer: bytes) -> type[socketserver.BaseRequestHandler]:
    """Return what always answers the same, once it has heard how a question begins."""

    class Saying(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.read(6)
            self.wfile.write(answer)

    return Saying


class TestParseScannerUrl:
    @pytest.mark.parametrize(
        ('url', 'place'),
        [
            ('clamd://host:3311', ('host', 3311)),
            ('clamd://host', ('host', 3310)),
            ('clamd:///run/clam%20d.sock', '/run/clam d.sock'),
        ],
    )
    def test_returns_the_place(self, url: str, place: tuple[str, int] | str) -> None:
        assert parse_scanner_url(url) == place

    @pytest.mark.parametrize('url', ['', 'host:3310', 'clamd://', 'clamd:///', 'clamd://h:x'])
    def test_raises_for_other_urls(self, url: str) -> None:
        with pytest.raises(ValueError, match='must be clamd://'):
            parse_scanner_url(url)


class TestFindSignature:
    @pytest.mark.parametrize('blocks', [[], [b'Hello.'], [b'a' * 100_000, b'b']])
    def test_finds_nothing_in_what_is_clean(self, address: str, blocks: list[bytes]) -> None:
        assert find_signature(address, blocks) is None

    @pytest.mark.parametrize('blocks', [[EICAR], [b'x' * 1000 + EICAR[:30], EICAR[30:] + b'y']])
    def test_names_what_it_finds(self, address: str, blocks: list[bytes]) -> None:
        assert find_signature(address, blocks) == 'Eicar-Local-Body.UNOFFICIAL'

    def test_says_what_is_too_large(self, address: str) -> None:
        with pytest.raises(ScannerSizeLimit):
            find_signature(address, [b'x' * 100_000] * (LARGEST // 100_000 + 50))

    @pytest.mark.parametrize(
        'answer', [b'', b'stream: ', b'garbage', b'\0', b'\xff\0', b'Engine: no memory ERROR\0']
    )
    def test_takes_nothing_else_for_a_verdict(self, answer: bytes) -> None:
        with standing_in(saying(answer)) as address, pytest.raises(ScannerUnavailable):
            find_signature(address, [b'Hello.'])

    def test_says_that_nobody_answers(self, tmp_path: Path) -> None:
        for address in (f'clamd://127.0.0.1:{free_port()}', f'clamd://{tmp_path}/none'):
            with pytest.raises(ScannerUnavailable):
                find_signature(address, [b'Hello.'])

    def test_says_that_it_takes_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr('project.files.clamd.CLAMD_TIMEOUT_SECONDS', 0.05)
        with socket.create_server(('127.0.0.1', 0)) as silent:
            address = f'clamd://127.0.0.1:{silent.getsockname()[1]}'

            with pytest.raises(ScannerUnavailable):
                find_signature(address, [b'Hello.'])

    def test_speaks_over_a_unix_socket(self, tmp_path: Path) -> None:
        path = tmp_path / 'a socket'
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()

            def answer() -> None:
                with server.accept()[0] as connection:
                    heard = b''
                    while not heard.endswith(bytes(4)):
                        heard += connection.recv(100)
                    connection.sendall(b'stream: OK\0')

            thread = Thread(target=answer)
            thread.start()
            address = f'clamd://{path}'.replace(' ', '%20')
            assert find_signature(address, [b'Hello.']) is None
            thread.join()

    def test_lets_through_what_went_wrong_with_the_bytes(self, address: str) -> None:
        def broken() -> Iterator[bytes]:
            yield b'Hello.'
            raise LookupError

        with pytest.raises(LookupError):
            find_signature(address, broken())


class TestPing:
    def test_is_answered(self, address: str) -> None:
        ping(address)

    def test_says_that_it_is_not(self) -> None:
        with pytest.raises(ScannerUnavailable):
            ping(f'clamd://127.0.0.1:{free_port()}')
        with standing_in(saying(b'WHAT\0')) as address, pytest.raises(ScannerUnavailable):
            ping(address)
