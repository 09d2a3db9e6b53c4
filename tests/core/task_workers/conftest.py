"""Fixtures of the tests of task workers: committed transactions and short poll intervals."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from project.core.task_workers import dispatcher, supervisor, worker
from tests.concurrency import separate_app


@pytest.fixture
def own_app(no_tasks: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """Yield an application with its own database, which worker processes can open, too."""
    # psycopg misses the end of a wait if two signals arrive within 0.1 s.
    interval = 0.2 if os.environ.get('TEST_DATABASE_URL') else 0.05
    monkeypatch.setattr(supervisor, 'POLL_INTERVAL_SECONDS', interval)
    monkeypatch.setattr(dispatcher, 'POLL_INTERVAL_SECONDS', 0.05)
    monkeypatch.setattr(supervisor, 'RESTART_DELAY_SECONDS', 0.05)
    monkeypatch.setattr(worker, 'DATABASE_RETRY_SECONDS', 0.05)
    with separate_app(tmp_path) as app:
        yield app
