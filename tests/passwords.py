"""Detection of routes that hash a password but do not declare `hashes_password`."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from unittest.mock import patch

from flask import g, has_request_context, request

from project.core.security import password_hashing


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
