"""Fixtures of the tests of files: an application whose threads really commit, and its people."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from flask import Flask

from tests.databases import create_tables
from tests.separate_app import application
from tests.users.factories import UserFactory


@pytest.fixture
def own_app(tmp_path: Path) -> Iterator[Flask]:
    """An application on a database of its own, where nothing is rolled back."""
    with application(tmp_path, 'files') as app:
        create_tables()
        yield app


@pytest.fixture
def run_concurrently(own_app: Flask) -> Callable[..., list[Any]]:
    """Return a function that makes calls at the same moment, in threads.

    It gives back what each of them returned, or the exception it ended with.
    """

    def run(*calls: Callable[[], Any]) -> list[Any]:
        barrier = Barrier(len(calls))

        def one(call: Callable[[], Any]) -> Any:
            with own_app.app_context():
                barrier.wait(timeout=30)
                return call()

        with ThreadPoolExecutor(len(calls)) as pool:
            futures = [pool.submit(one, call) for call in calls]
        return [future.exception() or future.result() for future in futures]

    return run


@pytest.fixture
def ada() -> Any:
    """Somebody."""
    return UserFactory()


@pytest.fixture
def incoming(var: Path) -> Callable[[], list[Path]]:
    """Return a function that lists what lies in storage and was never kept."""
    return lambda: sorted((var / 'storage' / 'incoming').glob('*'))


@pytest.fixture
def kept(var: Path) -> Callable[[], list[str]]:
    """Return a function that lists the hashes of the bytes in storage."""
    return lambda: sorted(p.name for p in (var / 'storage' / 'blobs').rglob('*') if p.is_file())
