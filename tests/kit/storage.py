"""Objects of the storage, and failures of the storage."""

import errno
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from flask import current_app

from project.core.storage import StagedObject, Storage, translate_os_errors
from project.core.storage import storage as current_storage

#: The operations of a storage that `storage_failing` can let fail.
OPERATIONS = frozenset(
    {'create_staged', 'prepare', 'save', 'open', 'size', 'ensure_durable', 'delete',
     'iterate_names'}
)  # fmt: skip


def put(place: Storage, key: str, data: bytes) -> None:
    """Store bytes as an object under a key."""
    with place.create_staged() as staged:
        staged.write(data)
        staged.prepare(key)
        staged.save(key)


def read(place: Storage, key: str) -> bytes:
    """Return the bytes of an object."""
    with place.open(key) as stored:
        return stored.read()


def contents(place: Storage) -> dict[str, bytes]:
    """Return the bytes of all objects by key."""
    return {listed.name: read(place, listed.name) for listed in place.iterate_names()}


@pytest.fixture
def storage_failing() -> Callable[..., AbstractContextManager[list[str]]]:
    """Return a context manager in which the storage fails: `with storage_failing(after=2):`.

    - `after=2`: two operations succeed, and all further ones fail; by default all fail.
    - `after_bytes=100`: all operations succeed until 100 bytes were written.
    - `operations={'delete'}`, `keys={key}`: only these operations and keys count and fail.
    - `error=OSError(errno.ENOSPC, '')`: the error of the disk, by default EIO.

    The block gets a list of the operations that have failed, such as `delete blobs/ab`. Raises
    ValueError for a negative number and for an unknown operation.
    """
    return fail_storage


@contextmanager
def fail_storage(
    *,
    after: int | None = None,
    after_bytes: int | None = None,
    operations: Collection[str] = OPERATIONS,
    keys: Collection[str] | None = None,
    error: Exception | None = None,
) -> Iterator[list[str]]:
    """Replace the storage of the current application by one that fails. See `storage_failing`.

    :param error: an OSError, which the storage translates as an error of the disk, or an ApiError.
    """
    if after is not None and after_bytes is not None:
        raise ValueError('give `after` or `after_bytes`, not both')
    if min(after or 0, after_bytes or 0) < 0:
        raise ValueError('the storage cannot fail after a negative number')
    if unknown := sorted(set(operations) - OPERATIONS):
        raise ValueError(
            f'unknown operation {unknown[0]!r}; an operation is one of '
            f'{", ".join(sorted(OPERATIONS))}'
        )
    error = error or OSError(errno.EIO, os.strerror(errno.EIO))
    fault = _Fault(error, after or 0, after_bytes, frozenset(operations), keys)
    replaced = current_app.extensions['storage']
    current_app.extensions['storage'] = _failing(current_storage(), fault)
    try:
        yield fault.failed
    finally:
        current_app.extensions['storage'] = replaced


class _Fault:
    """The error that a storage raises, and the count of the operations and bytes before it."""

    def __init__(
        self,
        error: Exception,
        after: int,
        after_bytes: int | None,
        operations: frozenset[str],
        keys: Collection[str] | None,
    ) -> None:
        self.failed: list[str] = []
        self._error, self._operations, self._keys = error, operations, keys
        self._left, self._bytes_left = after, after_bytes

    def count(self, operation: str, key: str) -> None:
        """Count an operation; raise the error if the storage fails now."""
        if self._bytes_left is not None or operation not in self._operations:
            return
        if self._keys is not None and key not in self._keys:
            return
        if self._left:
            self._left -= 1
        else:
            self._raise(f'{operation} {key}'.strip())

    def take(self, size: int) -> int:
        """Return the number of bytes that can still be written; raise the error if it is 0."""
        if self._bytes_left is None:
            return size
        if size and not self._bytes_left:
            self._raise('write')
        size = min(size, self._bytes_left)
        self._bytes_left -= size
        return size

    def _raise(self, operation: str) -> None:
        self.failed.append(operation)
        with translate_os_errors():
            raise self._error


class _FailingFile:
    """The file of a staged object, which accepts only a number of bytes."""

    def __init__(self, file: Any, fault: _Fault) -> None:
        self._file, self._fault = file, fault

    def write(self, data: memoryview) -> int:
        """Write as many bytes as the storage accepts."""
        return int(self._file.write(data[: self._fault.take(len(data))]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _failing(place: Storage, fault: _Fault) -> Storage:
    """Return a copy of a storage whose operations fail. It also is an instance of its class."""
    methods = {name: _counted(name, getattr(type(place), name), fault) for name in OPERATIONS}
    copy: Storage = object.__new__(type(f'Failing{type(place).__name__}', (type(place),), methods))
    copy.__dict__.update(place.__dict__)
    return copy


def _counted(name: str, method: Callable[..., Any], fault: _Fault) -> Callable[..., Any]:
    def counted(self: Storage, *args: Any, **options: Any) -> Any:
        # The key is the last positional argument of each operation that has one.
        fault.count(name, str(args[-1]) if args else '')
        result = method(self, *args, **options)
        if isinstance(result, StagedObject):
            result._file = _FailingFile(result._file, fault)  # type: ignore[assignment]
        return result

    return counted
