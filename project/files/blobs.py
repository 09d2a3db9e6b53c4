"""Blobs and thumbnails in the object storage. A blob is stored under the hash of its bytes."""

import hashlib
import time
import zlib
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
    """A stream of bytes to read."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""
        ...


# A writer extends its quota reservation at least once in this time, so that it does not expire.
RESERVATION_REFRESH_SECONDS = 15.0


class BlobWriter(NewObject):
    """Writer of a new blob. It keeps only the first bytes in memory. A context manager.

    :param extend_reservation: a function that is called before a write exceeds the reservation, and
        every 15 seconds. Its argument is the total number of bytes. It returns the new reservation
        in bytes, or raises.
    :param reserved: the reservation in bytes at the beginning.
    """

    def __init__(self, extend_reservation: Callable[[int], int], *, reserved: int = 0) -> None:
        self.head = b''
        self.crc32 = 0
        self._extend_reservation = extend_reservation
        self._reserved = reserved
        self._extended_at = time.monotonic()
        super().__init__()

    def write_stream(self, stream: Stream) -> None:
        """Write all bytes of a stream."""
        while block := stream.read(READ_CHUNK_BYTES):
            self.write(block)

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes.

        :raises ApiError: if the reservation cannot be extended.
        :raises InsufficientStorage: if the disk is full, or only the disk reserve is free.
        """
        size, moment = self.size + len(data), time.monotonic()
        if size > self._reserved or moment - self._extended_at > RESERVATION_REFRESH_SECONDS:
            self._reserved, self._extended_at = self._extend_reservation(size), moment
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]
        self.crc32 = zlib.crc32(data, self.crc32)
        return super().write(data)

    def seek(self, _offset: int) -> None:
        """Do nothing. Werkzeug's form parser calls this after the last byte, to rewind."""

    def prepare_blob(self) -> None:
        """Make the bytes durable. Call it before the transaction, because it is slow."""
        self.prepare(key_of(self.sha256))

    def publish_blob(self) -> None:
        """Store the bytes under their hash, at the end of the transaction that adds their row."""
        self.publish(key_of(self.sha256))


class AssembledUpload(Publication):
    """The bytes of a complete resumable upload. A context manager."""

    def __init__(self, partial: PartialFile) -> None:
        super().__init__(partial)
        self._partial = partial
        self._digest = hashlib.sha256()
        self.size = self.crc32 = 0
        self.head = b''

    def __enter__(self) -> Self:
        """Hash the bytes as they are on the disk, not as they were sent."""
        with closing(self._partial.open()) as file:
            while block := file.read(READ_CHUNK_BYTES):
                self.head = self.head or block[:HEAD_BYTES]
                self._digest.update(block)
                self.crc32 = zlib.crc32(block, self.crc32)
                self.size += len(block)
        return self

    @property
    def sha256(self) -> str:
        """Return the hash of the bytes, in hexadecimal."""
        return self._digest.hexdigest()

    def prepare_blob(self) -> None:
        """Make the bytes durable. Call it before the transaction, because it is slow."""
        self.prepare(key_of(self.sha256))

    def publish_blob(self) -> None:
        """Store the bytes under their hash, at the end of the transaction that adds their row.

        The file of the partial upload also keeps the bytes, until it is deleted after the commit.
        """
        self.publish(key_of(self.sha256))


def open_blob(sha256: str) -> StoredObject:
    """Open a blob for reading.

    :raises ServiceUnavailable: if it is missing, or the storage fails.
    """
    return storage().open(key_of(sha256))


def blob_as_local_file(sha256: str) -> AbstractContextManager[IO[bytes]]:
    """Return a context manager that provides a blob as a local file."""
    return storage().as_local_file(key_of(sha256))


def iter_chunks(sha256: str) -> Iterator[bytes]:
    """Return an iterator of the blocks of a blob, which is opened when the first block is read.

    The request context may have ended before the first block is read. So the storage is looked up
    now, not at the first read.
    """
    place = storage()

    def blocks() -> Iterator[bytes]:
        with closing(place.open(key_of(sha256))) as stream:
            while block := stream.read(READ_CHUNK_BYTES):
                yield block

    return blocks()


def key_of(sha256: str) -> str:
    """Return the key under which a blob is stored. Its two levels of folders keep folders small."""
    return f'blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}'


def hash_of(key: str) -> str:
    """Return the hash of the blob with a key."""
    return key.rpartition('/')[2]


def new_thumbnail_key(file_id: UUID, number: int, edge: int) -> str:
    """Return a new key for a thumbnail of a file version. Each call returns another key."""
    return f'thumbnails/{file_id.hex[:2]}/{file_id.hex}/{number}/{edge}/{uuid4().hex}'


def open_thumbnail(key: str) -> StoredObject:
    """Open a thumbnail.

    :raises ServiceUnavailable: if it is missing, or the storage fails.
    """
    return storage().open(key)
