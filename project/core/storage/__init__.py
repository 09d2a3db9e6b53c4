"""Object storage: bytes under keys, on the local disk or in an S3 bucket.

Features define the meaning of the objects. An object is durable before a request is acknowledged.
Names from users never become keys or paths.
"""

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from flask import Flask
from sqlalchemy import make_url

from project.core.app_values import AppValue

from .base import Storage
from .copying import CopyResult, copy_all
from .disk_reserve import DiskReserve
from .fallback import FallbackStorage
from .filesystem import (
    find_status,
    is_file,
    is_folder,
    make_folder,
    sync_file,
    sync_folder,
    translate_os_errors,
)
from .listing import PARTIAL_NAME_PATTERN, ListedName
from .local import LocalStorage
from .marker import register_storage_sample
from .object_interface import StoredObject
from .staging import StagedObject

__all__ = [
    'PARTIAL_NAME_PATTERN',
    'CopyResult',
    'DiskReserve',
    'FallbackStorage',
    'ListedName',
    'LocalStorage',
    'StagedObject',
    'Storage',
    'StoredObject',
    'copy_all',
    'find_status',
    'is_file',
    'is_folder',
    'make_folder',
    'register_storage_sample',
    'storage',
    'storage_from_url',
    'sync_file',
    'sync_folder',
    'translate_os_errors',
]  # fmt: skip

# The allowed query parameters of an `s3:` URL.
S3_URL_OPTIONS = {'endpoint', 'region', 'public', 'checksums'}


STORAGE: AppValue[Storage] = AppValue('storage')


def init_app(app: Flask) -> None:
    """Create the storage at `STORAGE_URL`, and register it with the application.

    :raises SystemExit: with one line, if a URL is invalid.
    """
    place = storage_from_url(app, app.config['STORAGE_URL'])
    if before := app.config['STORAGE_OLD_URL']:
        place = FallbackStorage(place, storage_from_url(app, before, name='STORAGE_OLD_URL'))
    place.reserve = _reserve_of(app, place)
    STORAGE.set(app, place)


def storage() -> Storage:
    """Return the application's storage."""
    return STORAGE.get()


def _reserve_of(app: Flask, place: Storage) -> DiskReserve:
    """Return the part of the disk that uploads, and an SQLite database, must leave free."""
    database = make_url(app.config['SQLALCHEMY_DATABASE_URI'])
    has_file = database.get_backend_name() == 'sqlite' and database.database not in (
        None,
        '',
        ':memory:',
    )
    folders = [place.spool, *([Path(str(database.database)).absolute().parent] if has_file else [])]
    return DiskReserve(app.config['STORAGE_MIN_FREE'], folders)


def storage_from_url(app: Flask, url: str, *, name: str = 'STORAGE_URL') -> Storage:
    """Return the storage at `file:///folder` or `s3://bucket/prefix?endpoint=…`.

    :param name: the name of the setting, for the message.
    :raises SystemExit: if the URL is invalid.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.scheme == 'file' and not parts.netloc and path.startswith('/') and not parts.query:
        return LocalStorage(Path(path))
    options = parse_qs(parts.query, keep_blank_values=True)
    if parts.scheme != 's3' or not parts.netloc or not options.keys() <= S3_URL_OPTIONS:
        raise SystemExit(
            f'{name} must be file:///an/absolute/folder or s3://bucket?endpoint=…&region=…'
        )
    # Imported here, because boto3 takes half a second and 50 MB.
    from .s3 import S3Storage

    given = {option: values[-1] for option, values in options.items()}
    spool = Path(app.config['STORAGE_SPOOL'])
    return S3Storage(parts.netloc, path.strip('/'), spool=spool, **given)
