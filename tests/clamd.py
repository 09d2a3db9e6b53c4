"""Virus scanners for tests: the real clamd, and a fake server with the same protocol."""

import os
import shutil
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from tests.core.server.serving import free_port, running

# The EICAR test file, which all scanners report as malware. The text is in two parts, so that a
# scanner does not report this module.
EICAR = rb'X5O!P%@AP[4\PZX54(P^)7CC)7}' + b'$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'

LARGEST = 500_000  # bytes that the scanner accepts


@contextmanager
def running_clamd(folder: Path) -> Iterator[str]:
    """Run the real clamd, which knows only the EICAR test file; yield its URL."""
    clamd = shutil.which('clamd', path=f'{os.environ["PATH"]}:/usr/sbin')
    assert clamd, 'this test needs clamd'
    port = free_port()
    (folder / 'signatures').mkdir(parents=True)
    signature = f'Eicar-Local-Body:0:*:{EICAR[27:].hex()}\n'
    (folder / 'signatures' / 'local.ndb').write_text(signature)
    settings = {
        'DatabaseDirectory': f'{folder}/signatures', 'TemporaryDirectory': folder,
        'TCPSocket': port, 'TCPAddr': '127.0.0.1', 'LocalSocket': f'{folder}/socket',
        'StreamMaxLength': LARGEST, 'Foreground': 'yes', 'SelfCheck': 0,
        **({'User': 'root'} if os.geteuid() == 0 else {}),
    }  # fmt: skip
    text = ''.join(f'{name} {value}\n' for name, value in settings.items())
    (folder / 'clamd.conf').write_text(text)
    with running([clamd, '-F', '-c', str(folder / 'clamd.conf')], port):
        yield f'clamd://127.0.0.1:{port}'


class Answering(socketserver.StreamRequestHandler):
    """A server handler that responds to one command like clamd."""

    def handle(self) -> None:
        if self.rfile.read(6) == b'zPING\0':
            self.wfile.write(b'PONG\0')
            return
        self.rfile.read(4)
        heard = b''
        while size := int.from_bytes(self.rfile.read(4)):
            heard += self.rfile.read(size)
            if len(heard) > LARGEST:
                self.wfile.write(b'INSTREAM size limit exceeded. ERROR\0')
                return
        found = b'stream: Eicar-Local-Body.UNOFFICIAL FOUND\0' if EICAR in heard else None
        self.wfile.write(found or b'stream: OK\0')


class Server(socketserver.ThreadingTCPServer):
    """A TCP server that ignores errors of its handlers, such as a disconnected client."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore the error."""


@contextmanager
def standing_in(handler: type[socketserver.BaseRequestHandler] = Answering) -> Iterator[str]:
    """Run the fake scanner with a server handler; yield its URL."""
    with Server(('127.0.0.1', 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        try:
            yield f'clamd://127.0.0.1:{server.server_address[1]}'
        finally:
            server.shutdown()
            thread.join()
