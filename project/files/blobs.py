"""Bytes by their hash, on the kernel's storage: how they come in and where they lie."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from project.core.data.storage import Staged, storage

from .errors import FileTooLarge
from .sniffing import HEAD

BLOCK = 1024 * 1024


class Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


@contextmanager
def receive(stream: Stream, *, limit: int) -> Iterator[tuple[Staged, bytes]]:
    """Take in a stream, durably, and give its head with it; memory does not grow with the stream.

    Refuses with FileTooLarge at the first byte over `limit`. What the block does not keep is gone.
    """
    with storage().stage() as staged:
        head = b''
        while block := stream.read(BLOCK):
            if staged.size + len(block) > limit:
                raise FileTooLarge
            staged.write(block)
            if len(head) < HEAD:
                head += block[: HEAD - len(head)]
        staged.sync()
        yield staged, head


def keep(staged: Staged) -> None:
    """Put received bytes under their hash. Only under the lock of their row."""
    if not storage().exists(key_of(staged.sha256)):
        staged.keep(key_of(staged.sha256))


def open_blob(sha256: str) -> BinaryIO:
    """Open bytes for reading."""
    return storage().open(key_of(sha256))


def remove(sha256: str) -> None:
    """Forget bytes. Only under the lock of their row."""
    storage().remove(key_of(sha256))


def key_of(sha256: str) -> str:
    """Return the key of bytes: two folders keep each of them small."""
    return f'blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}'
