"""Metrics of the service itself: its version, its processes and its dependencies."""

import os
import platform
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from project.core.metrics import FOLDER_VARIABLE, SampledGauge, Samples
from project.core.observability.build_info import code_revision, code_version
from project.core.observability.health.readiness import BACKGROUND_AGE_SECONDS, READINESS
from project.core.processes import private_memory_bytes, process_name
from project.core.storage import storage
from project.core.web.maintenance import maintenance


def _build() -> Samples:
    return {(code_version(), code_revision(), platform.python_version()): 1}


def _dependencies() -> Samples:
    """Return 1 for each dependency that is ready, else 0."""
    states = READINESS.get().current(BACKGROUND_AGE_SECONDS)
    return {(name, found.state): found.severity == 'ready' for name, found in states.items()}


def _maintenance() -> Samples:
    return {(): maintenance() is not None}


def _processes() -> Iterator[tuple[str, int]]:
    """Yield the name and the id of each process that stores metrics."""
    files = Path(os.environ[FOLDER_VARIABLE]).glob('*.db')
    for pid in {int(path.stem.rpartition('_')[2]) for path in files}:
        # None: the process has ended, or the system does not tell.
        if name := process_name(pid):
            yield name, pid


def _process_counts() -> Samples:
    return Counter((name,) for name, _ in _processes())


def _memory() -> Samples:
    found: Counter[tuple[str, ...]] = Counter()
    for name, pid in _processes():
        found[name,] += private_memory_bytes(pid)
    return found


def _free_parts() -> Samples:
    disk = os.statvfs(storage().spool)
    parts: dict[tuple[str, ...], float] = {('bytes',): disk.f_bavail / disk.f_blocks}
    # Some file systems do not count inodes.
    if disk.f_files:
        parts['inodes',] = disk.f_favail / disk.f_files
    return parts


SampledGauge(
    'service_build_info',
    'The version of the code that runs; always 1.',
    ('version', 'revision', 'python'),
    owner=__name__,
    read=_build,
)
SampledGauge(
    'service_dependency_ready',
    'Whether a dependency is ready (1), by its state in `/readyz`.',
    ('dependency', 'state'),
    owner=__name__,
    read=_dependencies,
)
SampledGauge(
    'service_maintenance',
    'Whether the service is in maintenance mode (1).',
    owner=__name__,
    read=_maintenance,
)
SampledGauge(
    'service_processes',
    'Processes of the service that store metrics, by their name in `ps -o comm`.',
    ('process',),
    owner=__name__,
    read=_process_counts,
)
SampledGauge(
    'service_memory_bytes',
    'Memory of these processes, without the pages of files. Pages that forked processes share '
    'count for each of them.',
    ('process',),
    owner=__name__,
    read=_memory,
)
SampledGauge(
    'storage_free_ratio',
    'Free part of the bytes and inodes of the disk that receives uploads, from 0 to 1.',
    ('unit',),
    owner=__name__,
    read=_free_parts,
)
