"""Environment variables for tests of the configuration."""

import os
import re

import pytest

KEY = 'q8Zr2vLx0mWc5nTy7bKd1hFj4gPs6aEu9iOo3RtY'
# `load_config` compares every other name with all settings. With the variables of a shell, that
# takes half of its time.
KEPT_NAMES = re.compile(r'PATH|HOME|TMPDIR|(AWS|TEST)_\w+')


def set_environment(monkeypatch: pytest.MonkeyPatch, **variables: object) -> None:
    """Set variables, and delete all others except `KEPT_NAMES`."""
    for name in list(os.environ):
        if not KEPT_NAMES.fullmatch(name):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


def good_environment(folder: os.PathLike[str]) -> dict[str, str]:
    """Return the variables that production needs to start."""
    return {
        'APP_ENV': 'production',
        'SECRET_KEY': KEY,
        'DATABASE_URL': f'sqlite:///{folder}/production.sqlite',
        'PUBLIC_URL': 'https://api.example.com',
        'STORAGE_URL': f'file://{folder}/storage',
        'MAIL_URL': f'file://{folder}/mail',
    }
