"""Functions for the local disk: conversion of errors, and durable files and folders."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project.core.errors import InsufficientStorage, ServiceUnavailable


@contextmanager
def translate_os_errors(*, missing_ok: bool = False) -> Iterator[None]:
    """Convert an OSError in the `with` block to an error of the service.

    :param missing_ok: whether to raise FileNotFoundError unchanged.
    :raises InsufficientStorage: if the disk is full.
    :raises ServiceUnavailable: for all other errors.
    """
    try:
        yield
    except OSError as error:
        if missing_ok and isinstance(error, FileNotFoundError):
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise (InsufficientStorage if full else ServiceUnavailable)() from error


def find_status(path: Path) -> os.stat_result | None:
    """Return the status of a file or folder, or None if it does not exist.

    Since Python 3.14, `Path.exists`, `Path.is_file` and `Path.is_dir` return False for all errors:
    all files of a failing disk would seem to be deleted.

    :raises OSError: for all other errors.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_file(path: Path) -> bool:
    """Return whether the path is a file.

    :raises OSError: if the file system fails.
    """
    status = find_status(path)
    return status is not None and stat.S_ISREG(status.st_mode)


def is_folder(path: Path) -> bool:
    """Return whether the path is a folder.

    :raises OSError: if the file system fails.
    """
    status = find_status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def make_folder(folder: Path, *, mode: int | None = None) -> None:
    """Create a folder and its parents durably. An existing folder is not changed.

    :param mode: the permissions of the folder itself; None for the default by the umask.
    """
    if not is_folder(folder):
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        if mode is not None:
            folder.chmod(mode)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names of the files in a folder durable, after a file was created or renamed.

    Some file systems, such as network file systems, cannot sync a folder and return EINVAL. On such
    a file system, the server decides when a name is durable.
    """
    try:
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    _sync(path, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
