"""A reader of an object in S3, and the conversion of errors of S3."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from project.core.errors import ServiceUnavailable

from .filesystem import translate_os_errors

# The maximum number of attempts to read a block. Each further attempt continues a broken download.
MAX_READ_ATTEMPTS = 3


class S3File(io.RawIOBase):
    """An object in S3, opened for reading.

    The download begins at the position of the first read.
    """

    def __init__(self, fetch: Any, key: str, size: int) -> None:
        self.key, self.size = key, size
        self._fetch = fetch
        self._at = 0
        self._body: Any = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position of the next read; close the download if the position changes."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if base + offset != self._at:
            self._drop()
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return the position of the next read."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes into a buffer, in at most `MAX_READ_ATTEMPTS` attempts.

        :raises ServiceUnavailable: if the last attempt fails.
        """
        failures = 0
        while True:
            try:
                data = self._next(len(buffer))
                break
            except (BotoCoreError, ClientError) as error:
                self._drop()
                failures += 1
                if failures == MAX_READ_ATTEMPTS:
                    raise ServiceUnavailable from error
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Close the object and its download."""
        self._drop()
        super().close()

    def _next(self, size: int) -> bytes:
        if self._at >= self.size or not size:
            return b''
        if self._body is None:
            self._body = self._fetch(self.key, self._at)
        data: bytes = self._body.read(size)
        if not data:
            raise BotoCoreError
        return data

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()


@contextmanager
def translate_s3_errors() -> Iterator[None]:
    """Convert errors of S3 and of the local disk to errors of the service.

    :raises ServiceUnavailable: if S3 or the disk fails; InsufficientStorage if the disk is full.
    """
    try:
        with translate_os_errors():
            yield
    except (BotoCoreError, ClientError, S3UploadFailedError) as error:
        raise ServiceUnavailable from error
