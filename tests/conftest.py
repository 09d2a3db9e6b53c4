"""Hooks of test runs. The fixtures for the tests of all features are in `tests/kit`."""

import gc
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from tests.kit import PLUGINS
from tests.url_builders import cache_url_builders

MEMORY_FOLDER = Path('/dev/shm')
MIN_FREE_MEMORY_BYTES = 2 << 30
SLOW_SECONDS = 1.0
MARKS = {'slow', 'servers'}  # tests with one of these marks may take longer than SLOW_SECONDS


def pytest_configure(config: pytest.Config) -> None:
    """Store the temporary folders of the tests in memory, if enough memory is free.

    A test run writes about 10,000 files (200 MB), and calls fsync for 5,800 of them.
    """
    is_usable = MEMORY_FOLDER.is_dir() and os.access(MEMORY_FOLDER, os.W_OK | os.X_OK)
    # In a Docker container, this folder has only 64 MB.
    if is_usable and shutil.disk_usage(MEMORY_FOLDER).free >= MIN_FREE_MEMORY_BYTES:
        os.environ.setdefault('PYTEST_DEBUG_TEMPROOT', str(MEMORY_FOLDER))
    # The collection of the tests creates no garbage, so garbage collection would waste time.
    gc.disable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Raise an error for a mark `slow` without a reason."""
    if (mark := item.get_closest_marker('slow')) and not mark.args:
        raise pytest.UsageError(f'{item.nodeid}: the mark `slow` needs a reason')


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the slowest unmarked tests that took a second or more.

    This is only a warning, because any test can be slow on a busy machine.
    """
    passed = terminalreporter.stats.get('passed', []) + terminalreporter.stats.get('', [])
    found = [r for r in passed if r.duration >= SLOW_SECONDS and not MARKS & set(r.keywords)]
    found.sort(key=lambda report: -report.duration)
    slowest = ', '.join(f'{report.nodeid} ({report.duration:.1f} s)' for report in found[:3])
    if found:
        terminalreporter.write_line(f'{len(found)} slow tests without a mark `slow`: {slowest}')


def pytest_collection_finish() -> None:
    """Exempt all existing objects from garbage collection, which took 7 % of the time of a run."""
    gc.freeze()
    gc.enable()


OWN_PLUGINS = ('open_connections', 'passwords', 'sql_record', 'sql_borders')
pytest_plugins = [*(f'tests.{name}' for name in OWN_PLUGINS), *PLUGINS]

# Without a deadline: Hypothesis measures elapsed time, which depends on other processes.
settings.register_profile('suite', deadline=None)
settings.load_profile('suite')

cache_url_builders()
