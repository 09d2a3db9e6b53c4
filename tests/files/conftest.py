"""Fixtures for the tests of the feature `files`."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from flask import Flask

from tests.clamd import standing_in
from tests.core.server.serving import free_port
from tests.databases import create_tables
from tests.separate_app import application
from tests.users.factories import UserFactory


@pytest.fixture
def own_app(tmp_path: Path) -> Iterator[Flask]:
    """An application with its own database, in which transactions are really committed."""
    with application(tmp_path, 'files') as app:
        create_tables()
        yield app


@pytest.fixture
def run_concurrently(own_app: Flask) -> Callable[..., list[Any]]:
    """Return a function that calls functions in threads, all at the same moment.

    It returns a list with the result of each call, or the exception that the call raised.
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
    """A new user."""
    return UserFactory()


@pytest.fixture
def incoming(var: Path) -> Callable[[], list[Path]]:
    """Return a function that lists the staging files (uploads before their commit)."""
    return lambda: sorted((var / 'storage' / 'incoming').glob('*'))


@pytest.fixture
def kept(var: Path) -> Callable[[], list[str]]:
    """Return a function that lists the SHA-256 of all blobs in the storage."""
    return lambda: sorted(p.name for p in (var / 'storage' / 'blobs').rglob('*') if p.is_file())


@pytest.fixture(scope='module')
def address() -> Iterator[str]:
    """The URL of a running virus scanner: a fake of clamd."""
    with standing_in() as address:
        yield address


@pytest.fixture
def scanner(app: Any, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set FILES_SCANNER to the URL of the running virus scanner."""
    monkeypatch.setitem(app.config, 'FILES_SCANNER', address)


@pytest.fixture
def down(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set FILES_SCANNER to a URL at which no virus scanner runs."""
    monkeypatch.setitem(app.config, 'FILES_SCANNER', f'clamd://127.0.0.1:{free_port()}')
