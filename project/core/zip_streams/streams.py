"""ZIP files that are created while they are sent or written.

Readers that read a ZIP from its start, such as `java.util.zip.ZipInputStream`, need the size of a
stored entry before its bytes.
"""

import struct
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from .headers import (
    MAX_16,
    MAX_BLOCK_BYTES,
    ZipEntry,
    descriptor,
    directory_header,
    end_of_zip,
    local_header,
    sizes_of,
)

NO_COMPRESSION, DEFAULT_COMPRESSION = 0, -1


class ZipStream:
    """A ZIP of these entries: an iterable of its bytes. Its `len` is their number."""

    def __init__(self, entries: Sequence[ZipEntry]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        """Return the size of the ZIP in bytes."""
        offset = directory = 0
        for entry in self._entries:
            directory += len(directory_header(entry, 0, offset, sizes_of(entry)))
            offset += len(local_header(entry)) + entry.compressed_size
            offset += 0 if entry.crc32 is not None else len(descriptor(0, sizes_of(entry)))
        return offset + directory + len(end_of_zip(len(self._entries), directory, offset))

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes of the ZIP.

        :raises RuntimeError: if an entry does not have its size.
        """
        offset, directory = 0, bytearray()
        for entry in self._entries:
            header = local_header(entry)
            yield header
            crc = yield from _content(entry)
            end = b'' if entry.crc32 is not None else descriptor(crc, sizes_of(entry))
            yield end
            directory += directory_header(entry, crc, offset, sizes_of(entry))
            offset += len(header) + entry.compressed_size + len(end)
        yield bytes(directory) + end_of_zip(len(self._entries), len(directory), offset)


class ZipWriter:
    """A ZIP that is written to a file, with contents whose size is not known beforehand.

    `zipfile` would write stored contents, or sizes of 64 bits, after the content. Java's
    `ZipInputStream` rejects the former, and before Java 22 the latter.
    """

    def __init__(self, file: 'WritableFile') -> None:
        self._file = file
        self._offset = self._count = 0
        self._directory = bytearray()

    def add(
        self, name: str, modified_at: datetime, blocks: Iterable[bytes], *, is_packed: bool = False
    ) -> None:
        """Write a content.

        :param is_packed: whether the content is compressed already.
        """
        entry, offset = ZipEntry(name, modified_at, 0, None, ()), self._offset
        self._write(local_header(entry))
        began, size, crc = self._offset, 0, 0
        level = NO_COMPRESSION if is_packed else DEFAULT_COMPRESSION
        deflater = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        for block in blocks:
            size, crc = size + len(block), zlib.crc32(block, crc)
            self._write(deflater.compress(block))
        self._write(deflater.flush())
        sizes = size, self._offset - began
        self._write(descriptor(crc, sizes))
        self._directory += directory_header(entry, crc, offset, sizes)
        self._count += 1

    def finish(self) -> None:
        """Write the directory at the end."""
        end = end_of_zip(self._count, len(self._directory), self._offset)
        self._write(bytes(self._directory) + end)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._offset += len(data)


class WritableFile(Protocol):
    """A file to which bytes are appended."""

    def write(self, data: bytes, /) -> object:
        """Append all bytes."""


def _content(entry: ZipEntry) -> Generator[bytes, None, int]:
    """Yield the content of an entry as it is in the ZIP; return its CRC-32."""
    size = crc = 0
    pending = bytearray()
    for block in entry.blocks:
        size += len(block)
        if entry.crc32 is not None:
            yield block
            continue
        crc = zlib.crc32(block, crc)
        pending += block
        while len(pending) > MAX_BLOCK_BYTES:
            yield _deflate_block(pending[:MAX_BLOCK_BYTES], is_last=False)
            del pending[:MAX_BLOCK_BYTES]
    if size != entry.size:
        raise RuntimeError(f'an entry of a ZIP has {size} bytes instead of {entry.size}')
    if entry.crc32 is None:
        yield _deflate_block(pending, is_last=True)
    return crc if entry.crc32 is None else entry.crc32


def _deflate_block(data: bytes | bytearray, *, is_last: bool) -> bytes:
    return struct.pack('<BHH', is_last, len(data), len(data) ^ MAX_16) + data
