"""Bytes by their hash, on the kernel's storage: how they come in and where they lie."""

from typing import BinaryIO, Protocol, Self

from project.core.data.storage import storage
from project.core.errors import TooLarge

from .sniffing import HEAD

BLOCK = 1024 * 1024


class Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


class Upload:
    """Bytes on their way in, of which memory has only the head. What is not kept ends with it.

    :param limit: how many bytes there may be.
    :param refusal: how it says no to the first one more, before that is on the disk.
    """

    def __init__(self, limit: int, refusal: type[TooLarge]) -> None:
        self.head = b''
        self._limit = limit
        self._refusal = refusal
        self._staged = storage().stage()

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

    def fill(self, stream: Stream) -> None:
        """Take in a stream to its end."""
        while block := stream.read(BLOCK):
            self.write(block)

    def write(self, block: bytes) -> int:
        """Take in a block, or refuse."""
        if self.size + len(block) > self._limit:
            raise self._refusal
        if len(self.head) < HEAD:
            self.head += block[: HEAD - len(self.head)]
        return self._staged.write(block)

    def seek(self, _offset: int) -> None:
        """Do nothing, where a parser of forms winds back what it wrote: nobody reads it here."""

    def sync(self) -> None:
        """Make the bytes durable. The slow half of keeping them; do it before a transaction."""
        self._staged.sync()

    def keep(self) -> None:
        """Put them under their hash, durably. Only under the lock of their row."""
        key = key_of(self.sha256)
        if storage().exists(key):
            storage().settle(key)
        else:
            self._staged.keep(key)

    def close(self) -> None:
        """Forget what was not kept."""
        self._staged.discard()


def open_blob(sha256: str) -> BinaryIO:
    """Open bytes for reading."""
    return storage().open(key_of(sha256))


def remove(sha256: str) -> None:
    """Forget bytes. Only under the lock of their row."""
    storage().remove(key_of(sha256))


def key_of(sha256: str) -> str:
    """Return the key of bytes: two folders keep each of them small."""
    return f'blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}'
