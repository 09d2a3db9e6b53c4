"""Bytes by their hash, on the kernel's storage: how they come in and where they lie."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from typing import IO, Protocol, Self
from uuid import UUID

from project.core.storage import StoredObject, storage

from .partial_uploads import PartialFile
from .sniffing import HEAD_BYTES

READ_CHUNK_BYTES = 1024 * 1024


class Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


# Seconds after which whoever reserves room is asked again, though there still is some: it lives.
RESERVATION_REFRESH_SECONDS = 15.0


class BlobWriter:
    """Bytes on their way in, of which memory has only the head. What is not kept ends with it.

    :param ask: called with a number of bytes before the first one more than it last returned is on
        the disk, and every 15 seconds: how many there may be, at least that number. Or it refuses.
    :param room: how many there may be before it is asked.
    """

    def __init__(self, extend_reservation: Callable[[int], int], *, reserved: int = 0) -> None:
        self.head = b''
        self._extend_reservation = extend_reservation
        self._reserved = reserved
        self._extended_at = time.monotonic()
        self._staged = storage().create_staged()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Return how many bytes have come."""
        return self._staged.size

    @property
    def sha256(self) -> str:
        """Return their hash, in hexadecimal."""
        return self._staged.sha256

    def write_stream(self, stream: Stream) -> None:
        """Take in a stream to its end."""
        while block := stream.read(READ_CHUNK_BYTES):
            self.write(block)

    def write(self, block: bytes) -> int:
        """Take in a block, or refuse."""
        size, moment = self.size + len(block), time.monotonic()
        if size > self._reserved or moment - self._extended_at > RESERVATION_REFRESH_SECONDS:
            self._reserved, self._extended_at = self._extend_reservation(size), moment
        if len(self.head) < HEAD_BYTES:
            self.head += block[: HEAD_BYTES - len(self.head)]
        return self._staged.write(block)

    def seek(self, _offset: int) -> None:
        """Do nothing, where a parser of forms winds back what it wrote: nobody reads it here."""

    def prepare(self) -> None:
        """Make the bytes durable. The slow half of keeping them; do it before a transaction."""
        self._staged.prepare(key_of(self.sha256))

    def save(self) -> None:
        """Put them under their hash, durably. Only under the lock of their row."""
        key = key_of(self.sha256)
        if storage().exists(key):
            storage().ensure_durable(key)
        else:
            self._staged.save(key)

    def close(self) -> None:
        """Forget what was not kept."""
        self._staged.delete_unsaved()


class AssembledUpload:
    """Bytes that have come in pieces and are all there, on the disk. A block."""

    def __init__(self, partial: PartialFile) -> None:
        self._partial = partial
        self._digest = hashlib.sha256()
        self.size = 0
        self.head = b''

    def __enter__(self) -> Self:
        """Read them once: what is on the disk is what is hashed, not what was sent."""
        with closing(self._partial.open()) as file:
            while block := file.read(READ_CHUNK_BYTES):
                self.head = self.head or block[:HEAD_BYTES]
                self._digest.update(block)
                self.size += len(block)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave them: they are kept, or will be asked for again."""

    @property
    def sha256(self) -> str:
        """Return their hash, in hexadecimal."""
        return self._digest.hexdigest()

    def prepare(self) -> None:
        """Bring them near to their place. The slow half of keeping them."""
        self._partial.prepare(key_of(self.sha256))

    def save(self) -> None:
        """Put them under their hash, durably. Only under the lock of their row."""
        key = key_of(self.sha256)
        if storage().exists(key):
            storage().ensure_durable(key)
        else:
            self._partial.save(key)


def open_blob(sha256: str) -> StoredObject:
    """Open bytes for reading."""
    return storage().open(key_of(sha256))


def blob_as_local_file(sha256: str) -> AbstractContextManager[IO[bytes]]:
    """Give bytes as a file of the system's."""
    return storage().as_local_file(key_of(sha256))


def iter_chunks(sha256: str) -> Iterator[bytes]:
    """Return bytes in blocks: opened with the first one, also when the request is over by then."""
    place = storage()

    def blocks() -> Iterator[bytes]:
        with closing(place.open(key_of(sha256))) as stream:
            while block := stream.read(READ_CHUNK_BYTES):
                yield block

    return blocks()


def delete(sha256: str) -> None:
    """Forget bytes. Only under the lock of their row."""
    storage().delete(key_of(sha256))


def key_of(sha256: str) -> str:
    """Return the key of bytes: two folders keep each of them small."""
    return f'blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}'


def iter_stored_blobs() -> Iterator[tuple[str, float]]:
    """Yield the hash of all bytes that are stored, each with when it came to its place (Unix)."""
    for key, changed in storage().iterate_keys('blobs'):
        yield key.rpartition('/')[2], changed


def open_thumbnail(file_id: UUID, number: int, edge: int) -> StoredObject:
    """Open a thumbnail of a version for reading."""
    return storage().open(_thumbnail_key(file_id, number, edge))


def save_thumbnail(file_id: UUID, number: int, edge: int, picture: bytes) -> None:
    """Keep a thumbnail, over one that is there. Slow, so never inside `atomic`."""
    key = _thumbnail_key(file_id, number, edge)
    with storage().create_staged() as staged:
        staged.write(picture)
        staged.prepare(key)
        staged.save(key)


def delete_thumbnail(file_id: UUID, number: int, edge: int) -> None:
    """Forget a thumbnail; forgetting nothing is fine."""
    storage().delete(_thumbnail_key(file_id, number, edge))


def _thumbnail_key(file_id: UUID, number: int, edge: int) -> str:
    return f'thumbnails/{file_id.hex[:2]}/{file_id.hex}/{number}/{edge}'
