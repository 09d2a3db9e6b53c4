"""Blobs: bytes under their hash, and thumbnails, in the storage of the core."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from typing import IO, Protocol, Self
from uuid import UUID, uuid4

from project.core.storage import StoredObject, storage
from project.core.stored_objects import NewObject, Publication

from .partial_uploads import PartialFile
from .sniffing import HEAD_BYTES

READ_CHUNK_BYTES = 1024 * 1024


class Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


# Seconds after which whoever reserves room is asked again, though there still is some: it lives.
RESERVATION_REFRESH_SECONDS = 15.0


class BlobWriter(NewObject):
    """Bytes on their way in, of which memory has only the head. A context manager.

    :param extend_reservation: called with a number of bytes before the first one more than it last
        returned is written, and every 15 seconds. Returns how many there may be, at least that
        number, or raises.
    :param reserved: how many there may be before it is called.
    """

    def __init__(self, extend_reservation: Callable[[int], int], *, reserved: int = 0) -> None:
        self.head = b''
        self._extend_reservation = extend_reservation
        self._reserved = reserved
        self._extended_at = time.monotonic()
        super().__init__()

    def write_stream(self, stream: Stream) -> None:
        """Write a stream to its end."""
        while block := stream.read(READ_CHUNK_BYTES):
            self.write(block)

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes.

        :raises ApiError: if there is no reservation for them.
        :raises InsufficientStorage: if the disk is full, or nearly so.
        """
        size, moment = self.size + len(data), time.monotonic()
        if size > self._reserved or moment - self._extended_at > RESERVATION_REFRESH_SECONDS:
            self._reserved, self._extended_at = self._extend_reservation(size), moment
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]
        return super().write(data)

    def seek(self, _offset: int) -> None:
        """Do nothing. The parser of forms calls it after the last byte; nothing is read here."""

    def prepare_blob(self) -> None:
        """Make the bytes durable: the slow part of publishing them, before a transaction."""
        self.prepare(key_of(self.sha256))

    def publish_blob(self) -> None:
        """Store the bytes under their hash at the end of this transaction, which has their row."""
        self.publish(key_of(self.sha256))


class AssembledUpload(Publication):
    """The bytes of a complete resumable upload. A context manager."""

    def __init__(self, partial: PartialFile) -> None:
        super().__init__(partial)
        self._partial = partial
        self._digest = hashlib.sha256()
        self.size = 0
        self.head = b''

    def __enter__(self) -> Self:
        """Read the bytes once: what is on the disk is hashed, not what was sent."""
        with closing(self._partial.open()) as file:
            while block := file.read(READ_CHUNK_BYTES):
                self.head = self.head or block[:HEAD_BYTES]
                self._digest.update(block)
                self.size += len(block)
        return self

    @property
    def sha256(self) -> str:
        """Return their hash, in hexadecimal."""
        return self._digest.hexdigest()

    def prepare_blob(self) -> None:
        """Make the bytes durable: the slow part of publishing them, before a transaction."""
        self.prepare(key_of(self.sha256))

    def publish_blob(self) -> None:
        """Store the bytes under their hash at the end of this transaction, which has their row.

        They stay in the partial upload as well: it is deleted after the commit.
        """
        self.publish(key_of(self.sha256))


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


def key_of(sha256: str) -> str:
    """Return the key of bytes: two folders keep each of them small."""
    return f'blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}'


def hash_of(key: str) -> str:
    """Return the hash of the bytes with a key."""
    return key.rpartition('/')[2]


def new_thumbnail_key(file_id: UUID, number: int, edge: int) -> str:
    """Return a key for a new thumbnail of a version. It is never used twice."""
    return f'thumbnails/{file_id.hex[:2]}/{file_id.hex}/{number}/{edge}/{uuid4().hex}'


def open_thumbnail(key: str) -> StoredObject:
    """Open a thumbnail.

    :raises ServiceUnavailable: if it is missing, or the storage fails.
    """
    return storage().open(key)
