"""The thorough checks of `flask doctor` for migrations, storage and free space."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from secrets import token_bytes
from uuid import uuid4

from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory

from project.core.checks import Finding, State
from project.core.database.migrations import migrate
from project.core.database.session import db
from project.core.storage import DiskReserve, StagedObject, Storage, storage

MAX_NAMES = 5
# More than a block of the disk, less than a part of an upload to S3.
PROBE_BYTES, RANGE_START = 20_000, 7_000


@cache
def script_directory() -> ScriptDirectory:
    """Return the migrations of this code, cached: loading them takes 10 ms."""
    config = migrate.get_config()
    # At run time, Flask-Migrate's `Config` inherits Alembic's. Its type stubs lack the base class.
    return ScriptDirectory.from_config(config)  # pyright: ignore[reportArgumentType]


def inspect_migrations() -> Iterator[Finding]:
    """Name the pending and the unknown revisions of the database, and features with two heads."""
    with db.engine.connect() as connection:
        heads = set(MigrationContext.configure(connection).get_current_heads())
    yield from migration_findings(script_directory(), heads)


def migration_findings(script: ScriptDirectory, heads: set[str]) -> Iterator[Finding]:
    """Compare the revisions of a database with the migrations of the code.

    :param heads: the revisions that the database has.
    """
    known = {revision.revision: revision for revision in script.walk_revisions()}
    reached = {r.revision for r in script.iterate_revisions(tuple(heads & known.keys()), 'base')}
    pending = [_name(known[each]) for each in reversed(known) if each not in reached]
    unknown = sorted(heads - known.keys())
    for feature, several in _several_heads(script).items():
        seen = f'{feature} has several heads: {", ".join(several)}'
        yield Finding(State.FAILED, seen, f'`flask db merge {" ".join(several)}`')
    if unknown:
        seen = f'the database has revisions that this code lacks: {_listed(unknown)}'
        remedy = 'Deploy the newer code, or switch to the branch that has these migrations.'
        yield Finding(State.WARNING, seen, remedy)
    if pending:
        yield Finding(State.FAILED, f'pending: {_listed(pending)}')
    elif not unknown:
        yield Finding(State.OK, f'{len(known)} migrations, at the newest version of each feature')


def _several_heads(script: ScriptDirectory) -> dict[str, list[str]]:
    """Return the heads of each feature that has more than one."""
    found: dict[str, list[str]] = {}
    for head in script.get_heads():
        revision = script.get_revision(head)
        found.setdefault(_feature(revision), []).append(head)
    return {feature: heads for feature, heads in found.items() if len(heads) > 1}


def _feature(revision: Script) -> str:
    """Return the feature of a migration, which is the name of its folder."""
    return Path(revision.path).parent.name


def _name(revision: Script) -> str:
    return f'{_feature(revision)} {revision.revision}'


def _listed(names: list[str]) -> str:
    more = f' and {len(names) - MAX_NAMES} more' if len(names) > MAX_NAMES else ''
    return ', '.join(names[:MAX_NAMES]) + more


def round_trip_fault(place: Storage) -> str:
    """Return what is wrong with an object that was stored, read and deleted, or an empty text.

    The object is deleted even if a step fails.

    :raises ServiceUnavailable: if a step fails.
    """
    # A key without a folder: on the disk, no empty folder is left.
    content, key = token_bytes(PROBE_BYTES), f'doctor{uuid4().hex}'
    try:
        with StagedObject(place, keeps_reserve=False) as staged:
            staged.write(content)
            staged.prepare(key)
            staged.save(key)
        with place.open(key) as stored:
            if stored.read() != content:
                return 'an object has another content than was stored'
            stored.seek(RANGE_START)
            if stored.read() != content[RANGE_START:]:
                return 'a range of an object is wrong'
    finally:
        place.delete(key)
    return 'a deleted object still exists' if place.exists(key) else ''


def inspect_free_space() -> Iterator[Finding]:
    """Compare the free bytes and inodes of each disk with the reserve."""
    reserve = storage().reserve
    for folder in dict.fromkeys(reserve.folders):
        yield space_finding(reserve, folder)
    if not reserve.folders:
        yield Finding(State.NOT_CHECKED, 'no folder of the service is on a local disk')


def space_finding(reserve: DiskReserve, folder: Path) -> Finding:
    """Return whether more than the reserve is free on the disk of a folder."""
    free = reserve.measure(folder)
    reserved = f'{_megabytes(free.min_bytes)} and {free.min_inodes:,}'
    seen = (
        f'{folder}: {_megabytes(free.bytes)} and {free.inodes:,} inodes are free, '
        f'{reserved} must stay free'
    )
    if free.bytes < free.min_bytes or free.inodes < free.min_inodes:
        return Finding(State.FAILED, f'uploads are rejected: {seen}')
    if free.bytes < 2 * free.min_bytes:
        return Finding(State.WARNING, f'uploads are rejected soon: {seen}', fails_deploy=True)
    return Finding(State.OK, seen)


def _megabytes(size: int) -> str:
    return f'{size // 1_000_000:,} MB'
