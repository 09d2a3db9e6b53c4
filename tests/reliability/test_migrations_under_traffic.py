"""Migrations of a large database during traffic, behind a lock, killed, and four at once."""

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from alembic.script import ScriptDirectory

from tests.service import BIN, ROOT

from .accounts import API, call, create_users, log_in
from .harness import APP, IS_LONG, ServiceUnderTest, figure, service_under_test, wait_until
from .test_deletion_at_scale import FILES, OtherUsers, bearer, id_of, seed

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

HOLD_SECONDS = 60 if IS_LONG else 6
KILLS = 10 if IS_LONG else 4
# The machine can be slow while other tests run.
MAX_SECONDS = 2.0 if IS_LONG else 5.0

MIGRATION = """from alembic import op
import sqlalchemy as sa

revision = {revision!r}
down_revision = {after!r}
branch_labels = None
depends_on = None

def upgrade() -> None:
    {body}

def downgrade() -> None:
    pass
"""
VALIDATE = 'ALTER TABLE files VALIDATE CONSTRAINT ck_files_zz'
BODIES = (
    """op.add_column('files', sa.Column('zz_note', sa.Text()))
    op.add_column('files', sa.Column('zz_count', sa.Integer(), nullable=False, server_default='1'))
    op.execute('ALTER TABLE files ADD CONSTRAINT ck_files_zz CHECK (zz_count > 0) NOT VALID')
    op.create_table('files_zz', sa.Column('id', sa.Integer()))
    op.execute('INSERT INTO files_zz VALUES (1)')""",
    f"op.execute('{VALIDATE}')",
    """with op.get_context().autocommit_block():
        op.create_index('ix_files_zz', 'files', ['type', 'name'], postgresql_concurrently=True)
        op.create_index('uq_files_zz', 'files', ['id', 'name'], unique=True,
                        postgresql_concurrently=True)
    op.execute('ALTER TABLE files ADD CONSTRAINT uq_files_zz UNIQUE USING INDEX uq_files_zz')
    op.execute('INSERT INTO files_zz VALUES (3)')""",
    """update = sa.text("UPDATE files SET zz_note = 'x' WHERE id IN "
                     "(SELECT id FROM files WHERE zz_note IS NULL LIMIT 1000)")
    with op.get_context().autocommit_block():
        while op.get_bind().execute(update).rowcount:
            pass
    op.drop_index('ix_files_zz', table_name='files')
    op.execute('INSERT INTO files_zz VALUES (4)')""",
)
# The sessions that run migrations, and those of them that change `files`.
MIGRATING = """FROM pg_stat_activity JOIN pg_locks USING (pid)
WHERE datname = current_database() AND locktype = 'advisory' AND objid = 7201"""
CONNECTED = f'SELECT count(*) {MIGRATING}'
RUNNING = rf"""SELECT count(*) {MIGRATING} AND state = 'active'
AND query ~ '^\s*(ALTER TABLE files|(CREATE|CREATE UNIQUE|DROP) INDEX CONCURRENTLY)'"""
TERMINATE = f'SELECT pg_terminate_backend(pid) {MIGRATING}'


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceUnderTest]:
    """Run a service with two users, and with many files of one of them."""
    with service_under_test(tmp_path / 'var', 'postgresql') as service:
        create_users(service, 'ada', 'bob')
        seed(service, bearer(service, 'ada'), trashed=False)
        yield service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the folder of migrations, with further migrations of `files`."""
    folder = tmp_path / 'migrations'
    shutil.copytree(ROOT / 'migrations', folder)
    locations = [str(path) for path in (folder / 'versions').iterdir()]
    [head] = ScriptDirectory(str(folder), version_locations=locations).get_revisions('files@head')
    after = head.revision if head else ''
    for number, body in enumerate(BODIES):
        revision = f'zz{number}'
        text = MIGRATION.format(revision=revision, after=after, body=body)
        (folder / 'versions' / 'files' / f'20990101_{revision}.py').write_text(text)
        after = revision
    return folder


def start_upgrade(
    service: ServiceUnderTest, folder: Path, revision: str = 'heads'
) -> 'subprocess.Popen[str]':
    """Start `flask db upgrade` with the migrations of a folder."""
    return subprocess.Popen(
        [str(BIN / 'flask'), '--app', APP, 'db', '-d', str(folder), 'upgrade', revision],
        cwd=ROOT, env=service.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def assert_upgraded(service: ServiceUnderTest) -> None:
    """Check that each migration was executed once, and that no index is invalid."""
    assert service.rows('SELECT id FROM files_zz ORDER BY id') == [(1,), (3,), (4,)]
    # Clients create further files at the same time.
    unchanged = 'SELECT count(*) FROM files WHERE zz_note IS NULL AND owner_id = '
    assert service.scalar(f'{unchanged}{id_of(service, "ada")}') == 0
    assert service.scalar('SELECT count(*) FROM pg_index WHERE NOT indisvalid') == 0
    assert service.scalar("SELECT convalidated FROM pg_constraint WHERE conname = 'ck_files_zz'")


def traffic(service: ServiceUnderTest) -> OtherUsers:
    """Return requests that read and write the changed tables."""
    bob, numbers = bearer(service, 'bob'), iter(range(10**9))
    url = f'{service.url}{API}/files'
    kept = requests.post(f'{url}?name=kept', data=b'kept', headers=bob, timeout=20).json()
    path = f'/files/{kept["data"]["id"]}'

    def patch() -> requests.Response:
        return call(service, 'PATCH', path, {'name': f'file {next(numbers)}'}, **bob)

    def upload() -> requests.Response:
        return requests.post(f'{url}?name=new', data=b'bytes', headers=bob, timeout=60)

    return OtherUsers(service, {
        'list': lambda: call(service, 'GET', '/files', **bob),
        'patch': patch,
        'upload': upload,
        'log in': lambda: log_in(service, 'bob'),
    })  # fmt: skip


def assert_undisturbed(busy: OtherUsers) -> None:
    """Check that all requests succeeded in a short time."""
    assert set(busy.codes) <= {200, 201}
    assert max(max(found) for found in busy.seconds.values()) <= MAX_SECONDS


@contextmanager
def held_row(service: ServiceUnderTest) -> Iterator[None]:
    """Change a row of a file in a transaction that is open during the block."""
    own = f"owner_id = {id_of(service, 'ada')} AND name = 'seed'"
    with service.engine.connect() as connection:
        connection.execution_options(isolation_level='READ COMMITTED')
        connection.exec_driver_sql(f'UPDATE files SET name = name WHERE {own}')
        yield
        connection.rollback()


def ended(process: 'subprocess.Popen[str]') -> str:
    """Wait for a process, check its exit code, and return its output."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def test_upgrade_during_traffic(service: ServiceUnderTest, folder: Path) -> None:
    busy = traffic(service)

    with busy.busy():
        began = time.monotonic()
        ended(start_upgrade(service, folder))
        seconds = time.monotonic() - began

    figure(f'upgrade of {FILES:,} files during traffic: {seconds:.1f} s; {busy.report()}')
    assert_undisturbed(busy)
    assert_upgraded(service)


def test_upgrade_behind_a_transaction(service: ServiceUnderTest, folder: Path) -> None:
    busy = traffic(service)

    with busy.busy():
        with held_row(service):
            process = start_upgrade(service, folder)
            wait_until(lambda: service.scalar(RUNNING) > 0, 60)
            end = time.monotonic() + HOLD_SECONDS
            wait_until(lambda: time.monotonic() > end, HOLD_SECONDS + 10)
            assert process.poll() is None
        output = ended(process)
        seconds = time.monotonic() - end + HOLD_SECONDS

    figure(
        f'upgrade behind a transaction of {HOLD_SECONDS} s: {seconds:.1f} s; {busy.report()}; '
        f'printed {output.count("Waiting for a lock")} line'
    )
    assert output.count('Waiting for a lock of another transaction, for up to 600 s.') == 1
    assert 'Traceback' not in output
    assert_undisturbed(busy)
    assert_upgraded(service)


def test_upgrade_after_it_was_killed(service: ServiceUnderTest, folder: Path) -> None:
    invalid = []

    for number in range(KILLS):
        if number == KILLS // 2:
            ended(start_upgrade(service, folder, 'zz1'))
        with held_row(service):
            process = start_upgrade(service, folder)
            try:
                wait_until(lambda: service.scalar(RUNNING) > 0, 60)
                time.sleep(random.random())
            finally:
                process.kill()
                process.communicate()
            if number % 2:  # As if the network had failed: otherwise the statement continues.
                service.rows(TERMINATE)
        wait_until(lambda: service.scalar(CONNECTED) == 0, 60)
        invalid.append(service.scalar('SELECT count(*) FROM pg_index WHERE NOT indisvalid'))
    busy = traffic(service)
    with busy.busy():
        ended(start_upgrade(service, folder))

    figure(f'upgrade after {KILLS} kills, invalid indexes {invalid}; {busy.report()}')
    assert any(invalid)
    assert_undisturbed(busy)
    assert_upgraded(service)


def test_upgrade_in_four_processes(service: ServiceUnderTest, folder: Path) -> None:
    processes = [start_upgrade(service, folder) for _ in range(4)]

    outputs = [ended(process) for process in processes]

    figure(f'four upgrades: {sum("Traceback" in output for output in outputs)} failed')
    assert_upgraded(service)
