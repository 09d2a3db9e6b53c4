"""Third-party clients of the protocol tus over connections that break: no upload is damaged."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import requests

from tests.journeys.browsers import served

from .accounts import API, PASSWORD, create_users, log_in
from .harness import IS_LONG, ServiceUnderTest, figure, service_under_test
from .raw_http import BreakingProxy

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1200)]

HERE = Path(__file__).parent
MEGABYTE = 1024 * 1024
SIZE, CUTS = (1024 * MEGABYTE, 20) if IS_LONG else (48 * MEGABYTE, 5)
PACKAGES = ('tus-js-client@4.3.1', 'playwright-core@1.65.1')

Client = Callable[[str, str, Path], str]


@pytest.fixture(scope='session')
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the Node.js packages of the clients."""
    folder = tmp_path_factory.mktemp('packages')
    command = ['npm', 'install', '--prefix', '.', '--no-save', '--no-audit', '--no-fund', *PACKAGES]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder for the service; delete its large stored files after the test."""
    yield tmp_path / 'var'
    shutil.rmtree(tmp_path / 'var' / 'storage', ignore_errors=True)


@pytest.fixture(scope='module')
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a file with random content to upload."""
    path = tmp_path_factory.mktemp('sent') / 'bytes'
    with path.open('wb') as file:
        for _ in range(SIZE // MEGABYTE):
            file.write(os.urandom(MEGABYTE))
    yield path
    path.unlink()


def run(cwd: Path, *command: str | Path) -> str:
    """Run the command of a client; return the id of the uploaded file."""
    # Without the other variables of this process, such as the URL of an HTTP proxy.
    env = {name: os.environ[name] for name in ('PATH', 'HOME', 'TMPDIR') if name in os.environ}
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=1000, check=False
    )
    assert done.returncode == 0, done.stderr
    file: str = json.loads(done.stdout)['file']
    return file


def hash_of(service: ServiceUnderTest, token: str, file: str) -> str:
    """Download a file; return its SHA-256."""
    found = hashlib.sha256()
    headers = {'Authorization': f'Bearer {token}'}
    url = f'{service.url}{API}/files/{file}/content'
    with requests.get(url, headers=headers, stream=True, timeout=60) as answer:
        assert answer.status_code == 200
        for block in answer.iter_content(MEGABYTE):
            found.update(block)
    return found.hexdigest()


def upload_with_cuts(var: Path, sent: Path, name: str, client: Client, **settings: str) -> None:
    """Upload a file over connections that break; compare the stored content with it."""
    with service_under_test(
        var, 'sqlite', FILES_MAX_SIZE='2GB', FILES_QUOTA='4GB', **settings
    ) as service:
        create_users(service, 'ada')
        token = log_in(service, 'ada', PASSWORD).json()['data']['token']
        began = time.monotonic()
        with BreakingProxy(service.url, size=SIZE, cuts=CUTS) as tcp_proxy:
            file = client(f'{tcp_proxy.url}{API}/files/uploads', token, sent)
        seconds = time.monotonic() - began
        with sent.open('rb') as content:
            expected = hashlib.file_digest(content, 'sha256').hexdigest()
        arrived = hash_of(service, token, file)
        begun = service.scalar('SELECT count(*) FROM files_uploads WHERE declared_size IS NOT NULL')

        figure(
            f'{name}: {SIZE // MEGABYTE} MB in {seconds:.1f} s, cut {tcp_proxy.cuts.total()} times '
            f'({dict(tcp_proxy.cuts)}), the last response lost {tcp_proxy.answers_lost} times, '
            f'requests {dict(tcp_proxy.methods)}, '
            f'sent twice {(tcp_proxy.sent - SIZE) / MEGABYTE:.1f} MB, '
            f'hashes {"equal" if arrived == expected else "DIFFER"}'
        )
        service.flask('files', 'fsck')
        assert arrived == expected
        # Each break occurred in the middle of a chunk.
        assert tcp_proxy.cuts.total() >= CUTS
        assert tcp_proxy.answers_lost == 1
        # The client created one upload only and resumed it: its offsets never decrease.
        assert begun == 1
        assert tcp_proxy.offsets == sorted(tcp_proxy.offsets)


def test_tus_js_client_in_node_uploads_unchanged_content(
    var: Path, sent: Path, packages: Path
) -> None:
    client = partial(run, packages, 'node', HERE / 'tus_node.mjs')
    upload_with_cuts(var, sent, 'tus-js-client in Node', client)


def test_tus_js_client_in_a_browser_uploads_from_another_origin(
    var: Path, sent: Path, packages: Path
) -> None:
    chromium = shutil.which('chromium')
    assert chromium, 'this test needs chromium'
    pages = {
        'tus_page.html': (HERE / 'tus_page.html').read_text,
        'tus.js': (packages / 'node_modules/tus-js-client/dist/tus.min.js').read_text,
    }
    with served(**pages) as origin:

        def client(endpoint: str, token: str, file: Path) -> str:
            script = HERE / 'tus_browser.mjs'
            page = f'{origin}/tus_page.html'
            return run(packages, 'node', script, endpoint, token, file, page, chromium)

        upload_with_cuts(var, sent, 'tus-js-client in Chromium', client, CORS_ORIGINS=origin)


def test_tuspy_uploads_unchanged_content(var: Path, tmp_path: Path, sent: Path) -> None:
    client = partial(run, tmp_path, sys.executable, HERE / 'tus_python.py')
    upload_with_cuts(var, sent, 'tuspy', client)
