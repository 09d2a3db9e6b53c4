"""What the tests of the crew share: applications whose transactions are real, and quick looks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from project.core.task_workers import supervisor, worker
from tests.concurrency import separate_app


@pytest.fixture
def own_app(no_tasks: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An application that other processes may work for, in its context."""
    # No shorter: who is told to end again within 0.1 s never hears that its wait is over (psycopg).
    monkeypatch.setattr(supervisor, 'POLL_INTERVAL_SECONDS', 0.2)
    monkeypatch.setattr(supervisor, 'RESTART_DELAY_SECONDS', 0.05)
    monkeypatch.setattr(worker, 'DATABASE_RETRY_SECONDS', 0.05)
    with separate_app(tmp_path) as app:
        yield app
