"""Fixtures of the tests of migrations."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.planted_migrations import Migrations


@pytest.fixture
def migrations(tmp_path: Path) -> Migrations:
    """Return a folder with two migrations without faults."""
    return Migrations(tmp_path)


@pytest.fixture
def judge(migrations: Migrations) -> Callable[..., list[str]]:
    """Return a function that returns the faults of a migration of `books` with this body."""

    def faults(body: str, **options: str) -> list[str]:
        migrations.add(body, **options)
        return migrations.faults()

    return faults
