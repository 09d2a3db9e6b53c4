"""An environment for tests: nothing in it but the given variables."""

import os

import pytest

from config.base import Config
from config.names import unknown_names
from config.settings import declared_settings

KEY = 'q8Zr2vLx0mWc5nTy7bKd1hFj4gPs6aEu9iOo3RtY'


def set_environment(monkeypatch: pytest.MonkeyPatch, **variables: object) -> None:
    """Set variables, and delete all others that the configuration reads or warns of."""
    known = {s.variable for s in declared_settings(Config).values() if s.variable}
    for name in list(os.environ):
        if unknown_names([name], dict.fromkeys(known, ''), where=''):
            monkeypatch.delenv(name)
    for name in known | {'APP_ENV', 'APP_CONFIG_FILE', 'FLASK_DEBUG'}:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f'{name}_FILE', raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


def good_environment(folder: os.PathLike[str]) -> dict[str, str]:
    """Return variables with which production starts."""
    return {
        'APP_ENV': 'production',
        'SECRET_KEY': KEY,
        'DATABASE_URL': f'sqlite:///{folder}/production.sqlite',
        'PUBLIC_URL': 'https://api.example.com',
        'STORAGE_URL': f'file://{folder}/storage',
        'MAIL_URL': f'file://{folder}/mail',
    }
