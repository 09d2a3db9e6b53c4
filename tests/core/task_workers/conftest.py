"""What the tests of the crew share: applications whose transactions are real, and quick looks."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from project.core.task_workers import dispatcher, supervisor, worker
from tests.concurrency import separate_app


@pytest.fixture
def own_app(no_tasks: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An application that other processes may work for, in its context."""
    # A process in psycopg that is told to end twice within 0.1 s never hears that its wait is over.
    interval = 0.2 if os.environ.get('TEST_DATABASE_URL') else 0.05
    monkeypatch.setattr(supervisor, 'POLL_INTERVAL_SECONDS', interval)
    monkeypatch.setattr(dispatcher, 'POLL_INTERVAL_SECONDS', 0.05)
    monkeypatch.setattr(supervisor, 'RESTART_DELAY_SECONDS', 0.05)
    monkeypatch.setattr(worker, 'DATABASE_RETRY_SECONDS', 0.05)
    with separate_app(tmp_path) as app:
        yield app
