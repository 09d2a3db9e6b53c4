"""Configuration checks of the feature `auth`."""

from collections.abc import Iterator, Mapping
from typing import Any


def find_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message for each fault because of which the service must not start."""
    if config['AUTH_TOKEN_LIFETIME'] > config['AUTH_SESSION_LIFETIME']:
        yield 'AUTH_TOKEN_MINUTES must not be longer than AUTH_SESSION_DAYS'


def find_warnings(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield warnings about valid settings that are probably mistakes."""
    if config['AUTH_REFRESH_LIFETIME'] > config['AUTH_SESSION_LIFETIME']:
        yield 'AUTH_REFRESH_DAYS is longer than AUTH_SESSION_DAYS, after which a session ends'
