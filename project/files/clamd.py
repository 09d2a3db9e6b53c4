"""Client of the malware scanner clamd, over TCP or a Unix socket.

It uses the commands `INSTREAM` and `PING`. The package `clamav-client` could do this, but its
license is GPL-2.0; the license of this project is MIT.
"""

import socket
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import unquote, urlsplit

DEFAULT_PORT = 3310
CONNECT_TIMEOUT_SECONDS = 5.0
CLAMD_TIMEOUT_SECONDS = 150.0  # clamd stops scanning a file after 120 seconds


class ScannerUnavailable(Exception):
    """The scanner does not answer, or its answer is not the result of a scan."""


class ScannerSizeLimit(Exception):
    """The file is larger than the scanner accepts (`StreamMaxLength`)."""


def find_signature(address: str, blocks: Iterable[bytes]) -> str | None:
    """Send bytes to the scanner; return the name of the malware that it finds, or None.

    :param address: `clamd://host:port` or `clamd:///path/of/socket`.
    :param blocks: the bytes. Errors while reading them are not caught.
    :raises ScannerUnavailable: if the scanner does not answer, or its answer is not a result.
    :raises ScannerSizeLimit: if there are more bytes than the scanner accepts.
    """
    answer = _query(address, _chunks(blocks))
    if answer.endswith(': OK'):
        return None
    if answer.endswith(' FOUND'):
        return answer.removeprefix('stream: ').removesuffix(' FOUND')
    if 'size limit exceeded' in answer:
        raise ScannerSizeLimit
    raise ScannerUnavailable(answer or 'no answer')


def ping(address: str, *, timeout: float | None = None) -> None:
    """Ensure that the scanner answers.

    :param timeout: maximum seconds for the connection, and for each read or write after it. The
        defaults are `CONNECT_TIMEOUT_SECONDS` and `CLAMD_TIMEOUT_SECONDS`.
    :raises ScannerUnavailable: if it does not answer.
    """
    if _query(address, [b'zPING\0'], timeout) != 'PONG':
        raise ScannerUnavailable('no PONG')


def parse_scanner_url(url: str) -> tuple[str, int] | str:
    """Return the host and port of a scanner, or the path of its socket.

    :param url: `clamd://host:port` or `clamd:///path/of/socket`.
    :raises ValueError: if the URL has neither form.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme == 'clamd' and parts.hostname and parts.port != 0:
            return parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        parts = urlsplit('')
    if parts.scheme == 'clamd' and not parts.netloc and len(parts.path) > 1:
        return unquote(parts.path)
    raise ValueError('must be clamd://host:port or clamd:///path/of/socket')


def _chunks(blocks: Iterable[bytes]) -> Iterable[bytes]:
    yield b'zINSTREAM\0'
    for block in blocks:
        yield len(block).to_bytes(4)
        yield block
    yield bytes(4)


def _query(
    address: str,
    parts: Iterable[bytes],
    timeout: float | None = None,
) -> str:
    try:
        connection = _connected(address, timeout or CONNECT_TIMEOUT_SECONDS)
    except OSError as error:
        raise ScannerUnavailable(error) from error
    connection.settimeout(timeout or CLAMD_TIMEOUT_SECONDS)
    with connection:
        for part in parts:
            try:
                connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                # The scanner has sent a reason and closed the connection: read the reason below.
                break
            except OSError as error:
                raise ScannerUnavailable(error) from error
        return _answer(connection)


def _connected(address: str, timeout: float) -> socket.socket:
    place = parse_scanner_url(address)
    if isinstance(place, tuple):
        connection = socket.create_connection(place, timeout)
    else:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(place)
        except OSError:
            connection.close()
            raise
    return connection


def _answer(connection: socket.socket) -> str:
    received = b''
    with suppress(ConnectionResetError):
        try:
            while not received.endswith(b'\0') and (more := connection.recv(4096)):
                received += more
        except TimeoutError as error:
            raise ScannerUnavailable('no answer in time') from error
    return received.rstrip(b'\0').decode(errors='replace')
