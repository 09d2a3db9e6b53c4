"""Helpers that store a user's files, read them, and find their bytes in the storage."""

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
    """Store bytes as a file of this user."""
    return service.store_file(owner_id, BytesIO(content), **given)


def read(owner_id: int, file_id: Any) -> bytes:
    """Return the content of a user's file."""
    _, stream = service.open_content(owner_id, file_id)
    with stream:
        return stream.read()


def total_size(owner_id: int) -> int:
    """Return the total size of all versions of a user's files, from the rows."""
    sizes = select(func.sum(Version.size)).join(File, File.id == Version.file_id)
    return int(db.session.scalar(sizes.where(File.owner_id == owner_id)) or 0)


def hash_of(content: bytes) -> str:
    """Return the SHA-256 of a content, which is the name of its blob in the storage."""
    return sha256(content).hexdigest()


def path_of(content: bytes) -> Path:
    """Return the path of the blob with this content; the blob need not exist."""
    return storage().path(blobs.key_of(hash_of(content)))


def partial_files(var: Path) -> list[str]:
    """Return the names of the files that contain unfinished resumable uploads."""
    return sorted(path.name for path in (var / 'storage' / 'partial').glob('*'))


def state_of(file: Any) -> str | None:
    """Return the result of the malware scan of a file that has only one version."""
    return db.session.scalar(select(Version.scan).where(Version.file_id == file.id))
