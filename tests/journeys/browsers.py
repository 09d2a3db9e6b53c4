"""A real browser, and a page on an origin of its own for it to open."""

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
    """Open a page and return its document, once scripts have run, and what the console said."""
    command = [*CHROMIUM, f'--user-data-dir={folder}', *options, '--dump-dom', url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if 'CONSOLE' in line]


class Page(SimpleHTTPRequestHandler):
    """Serves the pages, and what functions of the test know."""

    def __init__(self, *args: Any, knows: Mapping[str, Callable[..., str]], **kwargs: Any) -> None:
        self.knows = knows
        super().__init__(*args, directory=str(PAGES), **kwargs)

    def do_GET(self) -> None:
        """Answer with what a function returns, or with a file."""
        asked = urlsplit(self.path)
        knows = self.knows.get(asked.path.removeprefix('/'))
        if knows is None:
            super().do_GET()
            return
        body = knows(**{name: values[0] for name, values in parse_qs(asked.query).items()}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(**knows: Callable[..., str]) -> Iterator[str]:
    """Serve the pages on an origin of their own; give that origin."""
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(Page, knows=knows)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f'http://127.0.0.1:{server.server_port}'
        finally:
            server.shutdown()
            thread.join()
