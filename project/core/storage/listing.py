"""Names in a storage: keys of objects, and names that this service has not created."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

KEY_PATTERN = re.compile(r'[a-z0-9]+(/[a-z0-9]+)*')

# The folders in the local folder of a storage (spool): staging files and partial uploads. Their
# names are not keys.
INCOMING_FOLDER, PARTIAL_FOLDER = SPOOL_FOLDERS = 'incoming', 'partial'

# The names of files in these folders. A partial upload whose name ends with `.copy` is a copy that
# the service is writing.
STAGED_NAME_PATTERN = re.compile(r'[0-9a-f]{32}')
PARTIAL_NAME_PATTERN = re.compile(r'[0-9a-f]{32}(\.copy)?')


class ListedName(NamedTuple):
    """A name in a storage.

    :param size: in bytes.
    :param is_key: whether the name has the form of a key. If not, this service has not created it.
    """

    name: str
    size: int
    is_key: bool = True


def check_key(key: str) -> str:
    """Return the given key if it is valid.

    :raises ValueError: if it does not have the form of a key.
    """
    if not KEY_PATTERN.fullmatch(key):
        raise ValueError(f'not a storage key: {key!r}')
    return key


def walk_folder(folder: Path, prefix: str, after: tuple[str, ...]) -> Iterator[ListedName]:
    """Yield the files in a folder and its subfolders, sorted by name.

    :param prefix: the name of the folder in the storage.
    :param after: the parts of a name (split at `/`); only later names are yielded.
    """
    try:
        # If the folder cannot be read, this must raise an error: the result must not look like an
        # empty folder.
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if not prefix and entry.name in SPOOL_FOLDERS:
            continue
        name = f'{prefix}/{entry.name}' if prefix else entry.name
        parts = tuple(name.split('/'))
        if parts < after[: len(parts)] or parts == after:
            continue
        if not KEY_PATTERN.fullmatch(entry.name):
            yield ListedName(name, 0, is_key=False)
        elif entry.is_dir():
            yield from walk_folder(folder / entry.name, name, after)
        else:
            # The file may have been deleted in the meantime.
            with suppress(FileNotFoundError):
                yield ListedName(name, entry.stat().st_size, is_key=entry.is_file())
