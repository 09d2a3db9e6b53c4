"""Fixtures of the tests of security."""

from collections.abc import Callable

import pytest
from flask import Flask

from .secret_keys import OLD


@pytest.fixture
def rotate(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that replaces SECRET_KEY and its fallback keys."""

    def to(key: str, *fallbacks: str) -> None:
        monkeypatch.setitem(app.config, 'SECRET_KEY', key)
        monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', list(fallbacks))

    to(OLD)
    return to
