"""Helpers that store, read, count and locate the bytes of files."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from project.core.database.session import db
from project.core.storage import storage
from project.files import blobs, service
from project.files.models import File, Version


def store(owner_id: int, content: bytes = b'Hello.', **given: Any) -> Any:
    """Store bytes as a file of an owner."""
    return service.store_file(owner_id, BytesIO(content), **given)


def read(owner_id: int, file_id: Any) -> bytes:
    """Return the bytes of a file."""
    _, stream = service.open_content(owner_id, file_id)
    with stream:
        return stream.read()


def total_size(owner_id: int) -> int:
    """Return the sum of the sizes of all versions of a user's files."""
    sizes = select(func.sum(Version.size)).join(File, File.id == Version.file_id)
    return int(db.session.scalar(sizes.where(File.owner_id == owner_id)) or 0)


def hash_of(content: bytes) -> str:
    """Return the SHA-256 of bytes, which is their name in the storage."""
    return sha256(content).hexdigest()


def path_of(content: bytes) -> Path:
    """Return the path of a blob in the storage."""
    return storage().path(blobs.key_of(hash_of(content)))


def partial_files(var: Path) -> list[str]:
    """Return the names of the files of partial uploads."""
    return sorted(path.name for path in (var / 'storage' / 'partial').glob('*'))


def state_of(file: Any) -> str | None:
    """Return the scan result of a file with one version."""
    return db.session.scalar(select(Version.scan).where(Version.file_id == file.id))
