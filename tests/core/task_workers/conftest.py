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
    monkeypatch.setattr(supervisor, 'TICK', 0.2)
    for module in (supervisor, worker):
        monkeypatch.setattr(module, 'PAUSE', 0.05)
    with separate_app(tmp_path) as app:
        yield app
