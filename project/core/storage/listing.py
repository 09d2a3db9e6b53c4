"""Names in a storage: keys, and what others have put there."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

KEY_PATTERN = re.compile(r'[a-z0-9]+(/[a-z0-9]+)*')

# The folders of a spool. The files in them have no keys.
INCOMING_FOLDER, PARTIAL_FOLDER = SPOOL_FOLDERS = 'incoming', 'partial'


class ListedName(NamedTuple):
    """A name that was found in a storage.

    :param size: of its bytes.
    :param is_key: whether it is a key. If not, it was put there by somebody else.
    """

    name: str
    size: int
    is_key: bool = True


def check_key(key: str) -> str:
    """Return a key.

    :raises ValueError: if it is none.
    """
    if not KEY_PATTERN.fullmatch(key):
        raise ValueError(f'not a storage key: {key!r}')
    return key


def walk_folder(folder: Path, prefix: str, after: tuple[str, ...]) -> Iterator[ListedName]:
    """Yield the files below a folder, each folder in the order of its names.

    :param after: the parts of the name after which to begin.
    """
    try:
        # A folder that cannot be read is not taken for an empty one.
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
            # Deleted in the meantime.
            with suppress(FileNotFoundError):
                yield ListedName(name, entry.stat().st_size, is_key=entry.is_file())
