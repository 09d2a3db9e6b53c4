"""clamd, asked whether bytes are clean: its `INSTREAM`, over TCP or a Unix socket.

The packages that speak it are ten years old and unkept; it is a dozen lines.
"""

import socket
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import unquote, urlsplit

PORT = 3310
CONNECT = 5.0  # seconds
PATIENCE = 150.0  # seconds; clamd gives a file up after 120


class ScannerDown(Exception):
    """The scanner does not answer, or with no verdict."""


class TooMuch(Exception):
    """The scanner takes no file as large as this (`StreamMaxLength`)."""


def find_signature(address: str, blocks: Iterable[bytes]) -> str | None:
    """Return the name of what was found in bytes, or None: they are clean.

    :param address: `clamd://host:port` or `clamd:///path/of/socket`.

    Raises ScannerDown and TooMuch; what reading the bytes raises passes through.
    """
    answer = _ask(address, _chunks(blocks))
    if answer.endswith(': OK'):
        return None
    if answer.endswith(' FOUND'):
        return answer.removeprefix('stream: ').removesuffix(' FOUND')
    if 'size limit exceeded' in answer:
        raise TooMuch
    raise ScannerDown(answer or 'no answer')


def ping(address: str) -> None:
    """Raise ScannerDown where nobody answers who would scan."""
    if _ask(address, [b'zPING\0']) != 'PONG':
        raise ScannerDown('no PONG')


def _chunks(blocks: Iterable[bytes]) -> Iterable[bytes]:
    yield b'zINSTREAM\0'
    for block in blocks:
        yield len(block).to_bytes(4)
        yield block
    yield bytes(4)


def _ask(address: str, said: Iterable[bytes]) -> str:
    try:
        connection = _connected(address)
    except OSError as error:
        raise ScannerDown(error) from error
    with connection:
        for part in said:
            try:
                connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                # It will hear no more, and has said why.
                break
            except OSError as error:
                raise ScannerDown(error) from error
        return _answer(connection)


def _connected(address: str) -> socket.socket:
    parts = urlsplit(address)
    if parts.hostname:
        connection = socket.create_connection((parts.hostname, parts.port or PORT), CONNECT)
    else:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(CONNECT)
        try:
            connection.connect(unquote(parts.path))
        except OSError:
            connection.close()
            raise
    connection.settimeout(PATIENCE)
    return connection


def _answer(connection: socket.socket) -> str:
    heard = b''
    with suppress(ConnectionResetError):
        try:
            while not heard.endswith(b'\0') and (more := connection.recv(4096)):
                heard += more
        except TimeoutError as error:
            raise ScannerDown('no answer in time') from error
    return heard.rstrip(b'\0').decode(errors='replace')
