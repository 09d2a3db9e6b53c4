"""The hashing of passwords: calls of Argon2, and routes without `hashes_password`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError
from flask import g, has_request_context, request

from project.core.security import password_hashing

UNDECLARED_HASHING = pytest.StashKey[list[str]]()


@contextmanager
def recording_undeclared_hashing() -> Iterator[list[str]]:
    """Yield a list of the routes that hash a password but do not declare it.

    The declaration is `@endpoint(hashes_password=…)`.
    """
    found: list[str] = []
    slot = password_hashing._hashing_slot

    def recorded_slot() -> AbstractContextManager[None]:
        if has_request_context() and not _is_declared():
            found.append(f'{request.method} {request.endpoint}')
        return slot()

    with patch.object(password_hashing, '_hashing_slot', recorded_slot):
        yield found


def _is_declared() -> bool:
    spec = g.get('endpoint_spec')
    declared = spec.hashes_password if spec else True
    return declared is True or (isinstance(declared, str) and declared in request.headers)


@pytest.fixture
def undeclared_hashing(request: pytest.FixtureRequest) -> list[str]:
    """The routes that have hashed a password in this test without `hashes_password`."""
    return request.config.stash[UNDECLARED_HASHING]


@pytest.fixture
def argon2_calls(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a context manager that records which Argon2 functions its block calls."""

    @contextmanager
    def counting() -> Iterator[list[str]]:
        done: list[str] = []
        with monkeypatch.context() as patch:
            for name in ('hash', 'verify'):
                original = getattr(PasswordHasher, name)

                def noting(*args: Any, name: str = name, original: Any = original) -> Any:
                    work = name
                    try:
                        return original(*args)
                    except InvalidHashError:
                        # The stored hash was invalid, so Argon2 computed nothing.
                        work = 'nothing'
                        raise
                    finally:
                        done.append(work)

                patch.setattr(PasswordHasher, name, noting)
            yield done

    return counting
