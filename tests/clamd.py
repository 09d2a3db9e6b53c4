"""Virus scanners for tests: clamd, and a fake server in Python with the same protocol."""

import os
import shutil
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from tests.core.server.serving import free_port, running

# The EICAR test file, in two parts: otherwise a scanner would report this file.
EICAR = rb'X5O!P%@AP[4\PZX54(P^)7CC)7}' + b'$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'

LARGEST = 500_000  # bytes a scanner accepts


@contextmanager
def running_clamd(folder: Path) -> Iterator[str]:
    """Run clamd with the signature of EICAR only; yield its URL."""
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
    """Handler of one command, with the responses of clamd."""

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
    """Fake server that does not report disconnected clients."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore the error."""


@contextmanager
def standing_in(handler: type[socketserver.BaseRequestHandler] = Answering) -> Iterator[str]:
    """Run a fake server with a handler of connections; yield its URL."""
    with Server(('127.0.0.1', 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        try:
            yield f'clamd://127.0.0.1:{server.server_address[1]}'
        finally:
            server.shutdown()
            thread.join()
