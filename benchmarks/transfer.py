"""Upload and download of a large file over plain sockets, run in a separate process.

The client uses `sendfile` and one buffer, so that its own cost hardly affects the measurement.
"""

import argparse
import hashlib
import http.client
import json
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

BOUNDARY = 'benchmark-boundary'
BLOCK = 1 << 20


def main() -> None:
    options = _parser().parse_args()
    headers = dict(header.split(': ', 1) for header in options.header)
    started = time.perf_counter()
    result = options.run(options, headers)
    print(json.dumps(result | {'seconds': time.perf_counter() - started}))


def upload(options: argparse.Namespace, headers: dict[str, str]) -> dict:
    """Upload a file and a unique tail after it, as a multipart form or as the request body."""
    before, after = b'', options.tail.encode()
    kind = 'application/octet-stream'
    if options.form:
        disposition = f'form-data; name="{options.form}"; filename="{options.name}"'
        before = (
            f'--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\nContent-Type: {kind}\r\n\r\n'
        ).encode()
        after += f'\r\n--{BOUNDARY}--\r\n'.encode()
        kind = f'multipart/form-data; boundary={BOUNDARY}'
    with options.file.open('rb') as content:
        length = len(before) + content.seek(0, 2) + len(after)
        content.seek(0)
        headers |= {'Content-Type': kind, 'Content-Length': str(length)}
        connection = _connection(options.url)
        connection.putrequest('POST', _target(options.url))
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(before or None)
        connection.sock.sendfile(content)
        connection.sock.sendall(after)
    response = connection.getresponse()
    return {'status': response.status, 'body': response.read().decode()}


def download(options: argparse.Namespace, headers: dict[str, str]) -> dict:
    """Download a file `--times` times; with `--hash`, also return its SHA-256."""
    if options.range:
        headers['Range'] = options.range
    statuses, sizes, sha256 = [], [], hashlib.sha256()
    for _ in range(options.times):
        connection = _connection(options.url)
        connection.request('GET', _target(options.url), headers=headers)
        response = connection.getresponse()
        sizes.append(_drain(response, sha256 if options.hash else None))
        statuses.append(response.status)
        connection.close()
    return {'status': statuses, 'size': sizes, 'sha256': sha256.hexdigest()}


def _drain(response: http.client.HTTPResponse, sha256: 'hashlib._Hash | None') -> int:
    buffer, size = memoryview(bytearray(BLOCK)), 0
    while count := response.readinto(buffer):
        size += count
        if sha256:
            sha256.update(buffer[:count])
    return size


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=600)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f'{parts.path}?{parts.query}' if parts.query else parts.path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='benchmarks.transfer', description=__doc__)
    commands = parser.add_subparsers(required=True)
    sending = commands.add_parser('upload')
    sending.add_argument('--file', type=Path, required=True)
    sending.add_argument('--tail', default='')
    sending.add_argument(
        '--form', help='name of the form field; without it, the body is the raw file'
    )
    sending.add_argument('--name', default='benchmark.bin')
    sending.set_defaults(run=upload)
    receiving = commands.add_parser('download')
    receiving.add_argument('--range')
    receiving.add_argument('--times', type=int, default=1)
    receiving.add_argument('--hash', action='store_true')
    receiving.set_defaults(run=download)
    for command in (sending, receiving):
        command.add_argument('url')
        command.add_argument('--header', action='append', default=[])
    return parser


if __name__ == '__main__':
    main()
