"""Chromium, and a web server for test pages, whose origin differs from that of the service."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGES = Path(__file__).parent / 'page'

CHROMIUM = [
    'chromium', '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', '--virtual-time-budget=30000',
    '--enable-logging=stderr', '--window-size=1100,1400',
]  # fmt: skip


def browse(url: str, folder: Path, *options: str) -> tuple[str, list[str]]:
    """Open a page in Chromium; return its HTML after all scripts, and its console lines."""
    command = [*CHROMIUM, f'--user-data-dir={folder}', *options, '--dump-dom', url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if 'CONSOLE' in line]


class Page(SimpleHTTPRequestHandler):
    """A request handler that returns the test pages, and results of functions of the test."""

    def __init__(
        self, *args: Any, functions: Mapping[str, Callable[..., str]], **kwargs: Any
    ) -> None:
        self.functions = functions
        super().__init__(*args, directory=str(PAGES), **kwargs)

    def do_GET(self) -> None:
        """Call the function whose name is the path and return its result; otherwise a file."""
        url = urlsplit(self.path)
        function = self.functions.get(url.path.removeprefix('/'))
        if function is None:
            super().do_GET()
            return
        body = function(
            **{name: values[0] for name, values in parse_qs(url.query).items()}
        ).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def served(**functions: Callable[..., str]) -> Iterator[str]:
    """Serve the test pages on a separate origin; yield this origin.

    :param functions: a GET request for `/name` calls the function `name`, which returns the
        response body.
    """
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(Page, functions=functions)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f'http://127.0.0.1:{server.server_port}'
        finally:
            server.shutdown()
            thread.join()
