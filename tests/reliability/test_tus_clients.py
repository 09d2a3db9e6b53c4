"""tus clients that others wrote, over connections that break: what arrives is what was sent."""

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

from .accounts import API, PASSWORD, log_in, make_users
from .harness import IS_LONG, Attacked, attacked, figure
from .raw_http import Wire

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1200)]

HERE = Path(__file__).parent
MEGABYTE = 1024 * 1024
SIZE, CUTS = (1024 * MEGABYTE, 20) if IS_LONG else (48 * MEGABYTE, 5)
PACKAGES = ('tus-js-client@4.3.1', 'playwright-core@1.65.1')

Client = Callable[[str, str, Path], str]


@pytest.fixture(scope='session')
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has the packages of Node."""
    folder = tmp_path_factory.mktemp('packages')
    command = ['npm', 'install', '--prefix', '.', '--no-save', '--no-audit', '--no-fund', *PACKAGES]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    """A folder for the service, which leaves no gigabytes behind, whatever came of the test."""
    yield tmp_path / 'var'
    shutil.rmtree(tmp_path / 'var' / 'storage', ignore_errors=True)


@pytest.fixture(scope='module')
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file that nobody can guess."""
    path = tmp_path_factory.mktemp('sent') / 'bytes'
    with path.open('wb') as file:
        for _ in range(SIZE // MEGABYTE):
            file.write(os.urandom(MEGABYTE))
    yield path
    path.unlink()


def run(cwd: Path, *command: str | Path) -> str:
    """Run a client, and return the file that it was told of."""
    # Its own words only: no proxy that this process may have been told of.
    env = {name: os.environ[name] for name in ('PATH', 'HOME', 'TMPDIR') if name in os.environ}
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=1000, check=False
    )
    assert done.returncode == 0, done.stderr
    file: str = json.loads(done.stdout)['file']
    return file


def hash_of(service: Attacked, token: str, file: str) -> str:
    """Download a file and return the SHA-256 of what came."""
    found = hashlib.sha256()
    headers = {'Authorization': f'Bearer {token}'}
    address = f'{service.url}{API}/files/{file}/content'
    with requests.get(address, headers=headers, stream=True, timeout=60) as answer:
        assert answer.status_code == 200
        for block in answer.iter_content(MEGABYTE):
            found.update(block)
    return found.hexdigest()


def upload_through_cuts(var: Path, sent: Path, name: str, client: Client, **settings: str) -> None:
    """Let a client upload over a wire that breaks, and compare what arrived with what was sent."""
    with attacked(var, 'sqlite', FILES_MAX_SIZE='2GB', FILES_QUOTA='4GB', **settings) as service:
        make_users(service, 'ada')
        token = log_in(service, 'ada', PASSWORD).json()['data']['token']
        began = time.monotonic()
        with Wire(service.url, size=SIZE, cuts=CUTS) as wire:
            file = client(f'{wire.url}{API}/files/uploads', token, sent)
        seconds = time.monotonic() - began
        with sent.open('rb') as content:
            expected = hashlib.file_digest(content, 'sha256').hexdigest()
        arrived = hash_of(service, token, file)
        begun = service.scalar('SELECT count(*) FROM files_uploads WHERE declared_size IS NOT NULL')

        figure(
            f'{name}: {SIZE // MEGABYTE} MB in {seconds:.1f} s, cut {wire.cuts.total()} times '
            f'({dict(wire.cuts)}), the last answer lost {wire.answers_lost} times, '
            f'asked {dict(wire.asked)}, sent twice {(wire.sent - SIZE) / MEGABYTE:.1f} MB, '
            f'hashes {"equal" if arrived == expected else "DIFFER"}'
        )
        service.flask('files', 'fsck')
        assert arrived == expected
        # Each of them while a piece was under way.
        assert wire.cuts.total() >= CUTS
        assert wire.answers_lost == 1
        # It went on with the one it had begun, and never went back.
        assert begun == 1
        assert wire.offsets == sorted(wire.offsets)


def test_tus_js_client_in_node(var: Path, sent: Path, packages: Path) -> None:
    client = partial(run, packages, 'node', HERE / 'tus_node.mjs')
    upload_through_cuts(var, sent, 'tus-js-client in Node', client)


def test_tus_js_client_in_a_browser_on_another_origin(
    var: Path, sent: Path, packages: Path
) -> None:
    chromium = shutil.which('chromium')
    assert chromium, 'this needs a real browser: chromium'
    pages = {
        'tus_page.html': (HERE / 'tus_page.html').read_text,
        'tus.js': (packages / 'node_modules/tus-js-client/dist/tus.min.js').read_text,
    }
    with served(**pages) as origin:

        def client(endpoint: str, token: str, file: Path) -> str:
            script = HERE / 'tus_browser.mjs'
            page = f'{origin}/tus_page.html'
            return run(packages, 'node', script, endpoint, token, file, page, chromium)

        upload_through_cuts(var, sent, 'tus-js-client in Chromium', client, CORS_ORIGINS=origin)


def test_tuspy(var: Path, tmp_path: Path, sent: Path) -> None:
    client = partial(run, tmp_path, sys.executable, HERE / 'tus_python.py')
    upload_through_cuts(var, sent, 'tuspy', client)
