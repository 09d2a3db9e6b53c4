"""`flask files` commands with 100,000 files: their duration, memory and progress output."""

import hashlib
import json
import os
import pty
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest
from sqlalchemy import Connection, create_engine, text

from tests.clamd import standing_in
from tests.service import BIN

from .accounts import create_users
from .harness import APP, IS_LONG, ServiceUnderTest, figure, service_under_test
from .test_uploads import blob_of

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

COUNT = 100_000 if IS_LONG else 1_000
CASES = ['sqlite', 'postgresql'] if IS_LONG else ['sqlite']
MAX_MEMORY_KIB = 200 * 1024

# The text with which each command reports its progress.
COMMANDS = {
    'list ada': None,
    'list ada --trashed --limit 200': None,
    'stats': None,
    'quota ada 5GB': None,
    'sweep --dry-run': 'Sweeping',
    'fsck': 'Checking',
    'scan': 'Scanning',
    'move --to {new}': 'Moving',
    'sweep': 'Sweeping',
    'fsck --repair': 'Checking',
}


def seed(service: ServiceUnderTest) -> None:
    """Create the files: a tenth is in the trash, and a tenth of the blobs has no file."""
    moments = {'now': '2026-11-01 00:00:00.000000', 'then': '2026-01-01 00:00:00.000000'}
    engine = create_engine(service.env['DATABASE_URL'])
    with engine.begin() as connection:
        owner = connection.execute(text('SELECT id FROM users')).scalar_one()
        for start in range(0, COUNT, 1000):
            rows = [row(service, number, owner) for number in range(start, start + 1000)]
            insert(connection, [{**each, **moments} for each in rows])
        used = sum(len(str(n)) for n in range(COUNT) if n % 10 != 1)
        connection.execute(
            text('INSERT INTO files_usage (user_id, used, reserved) VALUES (:owner, :used, 0)'),
            {'owner': owner, 'used': used},
        )
    engine.dispose()


def row(service: ServiceUnderTest, number: int, owner: int) -> dict[str, object]:
    """Store a blob on the disk; return the values of the rows for its file."""
    content = str(number).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    path = blob_of(service.var, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    # SQLAlchemy stores UUIDs in SQLite without hyphens.
    is_sqlite = service.env['DATABASE_URL'].startswith('sqlite')
    file_id = uuid4().hex if is_sqlite else str(uuid4())
    return {
        'number': number, 'owner': owner, 'sha256': sha256, 'size': len(content), 'id': file_id,
        'name': f'{number}.txt',
    }  # fmt: skip


def insert(connection: Connection, rows: list[dict[str, object]]) -> None:
    """Insert the rows for a thousand files."""
    connection.execute(
        text('INSERT INTO files_blobs (sha256, size, created_at) VALUES (:sha256, :size, :now)'),
        rows,
    )
    had = [each for each in rows if each['number'] % 10 != 1]  # type: ignore[operator]
    for kept in (True, False):
        trashed = 'NULL' if kept else ':then'
        some = [each for each in had if (each['number'] % 10 != 2) == kept]  # type: ignore[operator]
        connection.execute(
            text(
                'INSERT INTO files (id, owner_id, name, size, type, sha256, current_version, '
                'row_version, created_at, updated_at, trashed_at) '
                'VALUES (:id, :owner, :name, :size, '
                f"'text/plain', :sha256, 1, 1, :now, :now, {trashed})"
            ),
            some,
        )
    connection.execute(
        text(
            'INSERT INTO files_versions (file_id, number, size, type, sha256, created_at) '
            "VALUES (:id, 1, :size, 'text/plain', :sha256, :now)"
        ),
        had,
    )


def run_at_terminal(
    service: ServiceUnderTest, command: str, env: dict[str, str]
) -> tuple[float, int, str, str]:
    """Run a command in a terminal.

    :returns: the seconds, the memory in KiB, stderr and stdout.
    """
    own_end, command_end = pty.openpty()
    shown: list[bytes] = []

    def listen() -> None:
        while True:
            try:
                shown.append(os.read(own_end, 65536))
            except OSError:
                return

    listener = Thread(target=listen)
    listener.start()
    began = time.monotonic()
    with subprocess.Popen(
        [str(BIN / 'flask'), '--app', APP, 'files', *command.split()], env=env,
        stdout=subprocess.PIPE, stderr=command_end,
    ) as process:  # fmt: skip
        os.close(command_end)
        memory = 0
        while process.poll() is None:
            memory = max(memory, peak_of(process.pid))
            time.sleep(0.02)
        assert process.stdout is not None
        printed = process.stdout.read().decode()
    seconds = time.monotonic() - began
    listener.join()
    os.close(own_end)
    assert process.returncode == 0, b''.join(shown).decode()
    return seconds, memory, b''.join(shown).decode(), printed


def peak_of(pid: int) -> int:
    """Return the maximum memory of a process so far in KiB, or 0 if it has ended."""
    found = re.search(r'VmHWM:\s+(\d+)', Path(f'/proc/{pid}/status').read_text())
    return int(found[1]) if found else 0


@pytest.fixture(params=CASES)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServiceUnderTest]:
    """Run a service that has many files."""
    with service_under_test(tmp_path, request.param) as service:
        create_users(service, 'ada')
        seed(service)
        yield service


def test_commands_show_their_progress(service: ServiceUnderTest, tmp_path: Path) -> None:
    with standing_in() as scanner:
        env = {**service.env, 'TERM': 'xterm', 'FILES_SCANNER': scanner}
        for command, progress in COMMANDS.items():
            full = command.format(new=f'file://{tmp_path}/new')
            seconds, memory, shown, printed = run_at_terminal(service, full, env)
            counted = [int(n.replace(',', '')) for n in re.findall(rf'{progress} ([\d,]+)', shown)]
            figure(
                f'{service.engine.dialect.name}: files {command}: {seconds:.1f} s, '
                f'{memory / 1024:.0f} MiB, counted to {max(counted, default=0):,}'
            )
            assert memory < MAX_MEMORY_KIB
            assert printed
            if progress:
                assert max(counted) > COUNT // 20
    assert json.loads(service.flask('files', 'fsck', '--json')) == []
    remaining = service.scalar('SELECT count(*) FROM files')
    assert remaining == COUNT * 8 // 10
