"""The thorough checks of `flask doctor` for storage and free space."""

from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes
from uuid import uuid4

from project.core.checks import Finding, State
from project.core.storage import DiskReserve, StagedObject, Storage, storage

# More than a block of the disk, less than a part of an upload to S3.
PROBE_BYTES, RANGE_START = 20_000, 7_000


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
