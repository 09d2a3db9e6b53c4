"""The interface of an object opened for reading."""

from types import TracebackType
from typing import Protocol, Self


class StoredObject(Protocol):
    """A stored object opened for reading. With local storage, it is a real file."""

    key: str
    size: int

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; empty at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Set the position of the next read."""
        ...

    def fileno(self) -> int:
        """Return the file descriptor.

        :raises OSError: if the object is not a real file.
        """
        ...

    def close(self) -> None:
        """Close the object."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
