"""Deletion of all objects of the storage and of all mails, for `flask db reset`."""

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from project.core.database.shared_values import find_value
from project.core.git_repository import ROOT
from project.core.storage import storage
from project.core.storage.marker import ID_NAME, has_other_marker, marker_key

# The folder of this repository for data of development.
VAR = ROOT / 'var'


class StorageOfOthers(Exception):
    """The storage has the marker of another database. The message is one line."""


def mail_folder() -> Path | None:
    """Return the folder of sent mails, or None if a server sends them."""
    return _folder_at(current_app.config['MAIL_URL'])


def ensure_own_storage() -> None:
    """Ensure that no other database uses the storage.

    The folder `var` of the repository is exempt: former databases leave their markers there.

    :raises StorageOfOthers: if the storage has the marker of another database.
    """
    url = current_app.config['STORAGE_URL']
    if (folder := _folder_at(url)) and folder.is_relative_to(VAR):
        return
    try:
        marker_id = find_value(ID_NAME) or b''
    except SQLAlchemyError:  # The database is not migrated, or by other code.
        marker_id = b''
    if has_other_marker(storage(), marker_key(marker_id.decode())):
        raise StorageOfOthers(f'{url} has the marker of another database: delete it yourself')


def delete_objects() -> int:
    """Delete all objects, staging files and partial uploads; return the number of objects.

    Names that do not have the form of a key are not deleted: this service has not created them.
    """
    place, count = storage(), 0
    for found in place.iterate_names():
        if found.is_key:
            place.delete(found.name)
            count += 1
    for folder in (place.incoming, *place.partial_folders):
        shutil.rmtree(folder, ignore_errors=True)
    # The next write stores a new marker.
    place.marker = None
    return count


def delete_mails() -> int:
    """Delete the mails in the mail folder, if there is one; return their number."""
    if (folder := mail_folder()) is None:
        return 0
    mails = [*folder.glob('*.eml')]
    for path in (*mails, *folder.glob('.*.tmp')):
        path.unlink(missing_ok=True)
    return len(mails)


def _folder_at(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == 'file' else None
