"""Deletion of the objects in the storage and of all mails, for `flask db reset`."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from project.core.database.shared_values import find_value
from project.core.git_repository import ROOT
from project.core.storage import (
    FallbackStorage,
    ListedName,
    Storage,
    is_file,
    is_folder,
    storage,
)
from project.core.storage.listing import PARTIAL_NAME_PATTERN, STAGED_NAME_PATTERN
from project.core.storage.marker import ID_NAME, MARKER_PREFIX, has_other_marker, marker_key

from . import DevelopmentError

# The folder of this repository for data of development.
VAR = ROOT / 'var'


class StorageOfOthers(DevelopmentError):
    """The storage may belong to another database. The message is one line."""


def mail_folder() -> Path | None:
    """Return the folder of sent mails, or None if a server sends them."""
    return _folder_at(current_app.config['MAIL_URL'])


def ensure_own_storage(prefixes: Iterable[str]) -> None:
    """Ensure that the objects and files that `delete_objects` deletes are those of this database.

    The folder `var` of the repository is exempt: former databases leave their objects there.

    :param prefixes: the first parts of the keys of objects.
    :raises StorageOfOthers: if a storage has the marker of another database, or has objects and
        lacks the marker of this database.
    """
    try:
        marker_id = find_value(ID_NAME)
    except SQLAlchemyError:  # The database is not migrated, or by other code.
        marker_id = None
    own = marker_key(marker_id.decode()) if marker_id else None
    for url, place in _places():
        if (folder := _folder_at(url)) and folder.is_relative_to(VAR):
            continue
        if has_other_marker(place, own or ''):
            raise StorageOfOthers(f'{url} has the marker of another database: delete it yourself')
        has_own = own is not None and place.exists(own)
        if not has_own and any(chain(_objects(place, prefixes), _spooled(place))):
            raise StorageOfOthers(
                f'{url} has objects and lacks the marker of this database: delete them yourself'
            )


def count_objects(prefixes: Iterable[str]) -> int:
    """Return the number of objects that `delete_objects` would delete."""
    return sum(1 for _ in _objects(storage(), prefixes))


def delete_objects(prefixes: Iterable[str]) -> int:
    """Delete the objects, staging files and partial uploads; return the number of objects.

    Other names in the storage are kept: this service has not created them.

    :param prefixes: the first parts of the keys of objects.
    """
    place, count = storage(), 0
    for found in _objects(place, prefixes):
        place.delete(found.name)
        count += 1
    for path in _spooled(place):
        path.unlink(missing_ok=True)
    # The next write stores a new marker.
    place.marker = None
    return count


def _places() -> list[tuple[str, Storage]]:
    """Return the storage and its URL; during a move, also those of the old one."""
    place, config = storage(), current_app.config
    if isinstance(place, FallbackStorage):
        return [(config['STORAGE_URL'], place.new), (config['STORAGE_OLD_URL'], place.old)]
    return [(config['STORAGE_URL'], place)]


def _objects(place: Storage, prefixes: Iterable[str]) -> Iterator[ListedName]:
    """Yield the objects below the prefixes; the markers come last.

    So if a deletion is interrupted, the storage still has its marker.
    """
    for prefix in (*prefixes, MARKER_PREFIX):
        for found in place.iterate_names(prefix):
            if found.is_key:
                yield found


def _spooled(place: Storage) -> Iterator[Path]:
    """Yield the staging files and partial uploads. Other files in their folders are skipped."""
    folders = [(place.incoming, STAGED_NAME_PATTERN)]
    folders += [(folder, PARTIAL_NAME_PATTERN) for folder in place.partial_folders]
    for folder, pattern in folders:
        for path in sorted(folder.iterdir()) if is_folder(folder) else ():
            if pattern.fullmatch(path.name) and is_file(path):
                yield path


def mails() -> list[Path]:
    """Return the files of mails in the mail folder, if there is one."""
    return [*folder.glob('*.eml')] if (folder := mail_folder()) else []


def delete_mails() -> int:
    """Delete the mails in the mail folder, if there is one; return their number."""
    found = mails()
    temporary = folder.glob('.*.tmp') if (folder := mail_folder()) else ()
    for path in (*found, *temporary):
        path.unlink(missing_ok=True)
    return len(found)


def _folder_at(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == 'file' else None
