"""Checks of the settings of the auth feature."""

from collections.abc import Iterator, Mapping
from typing import Any


def find_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the faults that prevent the service from starting."""
    if config['AUTH_TOKEN_LIFETIME'] > config['AUTH_SESSION_LIFETIME']:
        yield 'AUTH_TOKEN_MINUTES must not be longer than AUTH_SESSION_DAYS'


def find_warnings(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield warnings about valid settings that are probably mistakes."""
    if config['AUTH_REFRESH_LIFETIME'] > config['AUTH_SESSION_LIFETIME']:
        yield 'AUTH_REFRESH_DAYS is longer than AUTH_SESSION_DAYS, after which a session ends'
