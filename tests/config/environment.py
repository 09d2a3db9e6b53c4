"""Environment variables for tests of the configuration."""

import os
import re

import pytest

KEY = 'q8Zr2vLx0mWc5nTy7bKd1hFj4gPs6aEu9iOo3RtY'
# Variables to keep. The others are deleted, because `load_config` compares each of them with all
# settings. With the variables of a shell, that takes half of its time.
KEPT_NAMES = re.compile(r'PATH|HOME|TMPDIR|(AWS|TEST)_\w+')


def set_environment(monkeypatch: pytest.MonkeyPatch, **variables: object) -> None:
    """Set these environment variables, and delete all others except `KEPT_NAMES`."""
    for name in list(os.environ):
        if not KEPT_NAMES.fullmatch(name):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


def good_environment(folder: os.PathLike[str]) -> dict[str, str]:
    """Return a valid set of environment variables for production."""
    return {
        'APP_ENV': 'production',
        'SECRET_KEY': KEY,
        'DATABASE_URL': f'sqlite:///{folder}/production.sqlite',
        'PUBLIC_URL': 'https://api.example.com',
        'STORAGE_URL': f'file://{folder}/storage',
        'MAIL_URL': f'file://{folder}/mail',
    }
