"""Entries and headers of ZIP files, as APPNOTE.TXT 6.3.10 defines them (ISO/IEC 21320-1)."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

STORED, DEFLATED = 0, 8
HAS_DESCRIPTOR, IS_UTF8 = 1 << 3, 1 << 11
VERSION, ZIP64_VERSION = 20, 45
CREATED_ON_UNIX = 3 << 8
FILE_MODE = 0o100600 << 16
# Larger values are in an extra field (ZIP64), and the ordinary field has this value.
MAX_32, MAX_16 = 0xFFFFFFFF, 0xFFFF
ZIP64_FIELD, TIME_FIELD = 0x0001, 0x5455
# The maximum size of a stored block of deflate, and the size of its header (RFC 1951, 3.2.4).
MAX_BLOCK_BYTES, BLOCK_HEADER_BYTES = 0xFFFF, 5

FIRST_YEAR, LAST_YEAR = 1980, 2107

# The sizes of a content in bytes: before and after the compression.
Sizes: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A file in a ZIP.

    :param size: the number of bytes of `blocks`.
    :param crc32: the CRC-32 of the bytes; None if it is unknown before they are read.
    :param blocks: the bytes. They are read when the entry is sent.
    """

    name: str
    modified_at: datetime
    size: int
    crc32: int | None
    blocks: Iterable[bytes]

    @property
    def compressed_size(self) -> int:
        """The number of bytes in the ZIP.

        If the CRC is unknown, the entry is a sequence of stored blocks of deflate: only deflate
        marks its own end, and so can be followed by the CRC.
        """
        blocks = max(1, -(-self.size // MAX_BLOCK_BYTES))
        return self.size + (blocks * BLOCK_HEADER_BYTES if self.crc32 is None else 0)

    @property
    def is_zip64(self) -> bool:
        """Return whether a size does not fit into 32 bits."""
        return self.compressed_size >= MAX_32


def time_field(moment: datetime) -> bytes:
    """Return the extra field with a time in UTC. The time of DOS has no time zone.

    It is empty if the time does not fit into it.
    """
    seconds = int(moment.timestamp())
    return struct.pack('<HHBi', TIME_FIELD, 5, 1, seconds) if 0 <= seconds < 1 << 31 else b''


def dos_time(moment: datetime) -> tuple[int, int, int, int, int, int]:
    """Return a time in UTC, limited to the years that a ZIP can contain."""
    moment = moment.astimezone(UTC)
    if moment.year < FIRST_YEAR:
        return FIRST_YEAR, 1, 1, 0, 0, 0
    if moment.year > LAST_YEAR:
        return LAST_YEAR, 12, 31, 23, 59, 58
    return moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second


def local_header(entry: ZipEntry) -> bytes:
    # If the CRC follows the content, the sizes do, too.
    is_known = entry.crc32 is not None
    sizes = (entry.size, entry.compressed_size) if is_known else (0, 0)
    extra = time_field(entry.modified_at)
    if entry.is_zip64:
        extra += struct.pack('<HHQQ', ZIP64_FIELD, 16, *sizes)
        sizes = MAX_32, MAX_32
    name = entry.name.encode()
    return (
        struct.pack(
            '<4s5H3I2H', b'PK\x03\x04', *_common(entry), entry.crc32 or 0, sizes[1], sizes[0],
            len(name), len(extra),
        )
        + name + extra
    )  # fmt: skip


def descriptor(crc: int, sizes: Sizes) -> bytes:
    form = '<4sIQQ' if max(sizes) >= MAX_32 else '<4sIII'
    return struct.pack(form, b'PK\x07\x08', crc, sizes[1], sizes[0])


def sizes_of(entry: ZipEntry) -> Sizes:
    return entry.size, entry.compressed_size


def directory_header(entry: ZipEntry, crc: int, offset: int, sizes: Sizes) -> bytes:
    values = [*sizes, offset]
    large = [value for value in values if value >= MAX_32]
    size, compressed_size, offset = (min(value, MAX_32) for value in values)
    extra = time_field(entry.modified_at)
    if large:
        extra += struct.pack(f'<HH{len(large)}Q', ZIP64_FIELD, 8 * len(large), *large)
    name = entry.name.encode()
    return (
        struct.pack(
            '<4s6H3I5H2I', b'PK\x01\x02', CREATED_ON_UNIX | ZIP64_VERSION, *_common(entry), crc,
            compressed_size, size, len(name), len(extra), 0, 0, 0, FILE_MODE, offset,
        )
        + name + extra
    )  # fmt: skip


def _common(entry: ZipEntry) -> tuple[int, int, int, int, int]:
    """Return the fields that both headers of an entry have: version, flags, method and time."""
    is_known = entry.crc32 is not None
    year, month, day, hour, minute, second = dos_time(entry.modified_at)
    return (
        ZIP64_VERSION if entry.is_zip64 else VERSION,
        (0 if entry.name.isascii() else IS_UTF8) | (0 if is_known else HAS_DESCRIPTOR),
        STORED if is_known else DEFLATED,
        hour << 11 | minute << 5 | second // 2,
        (year - FIRST_YEAR) << 9 | month << 5 | day,
    )


def end_of_zip(count: int, size: int, offset: int) -> bytes:
    """Return the end of a ZIP.

    :param count: the number of entries.
    :param size: the size of the directory in bytes.
    :param offset: the position of the directory in bytes.
    """
    end = b''
    if count >= MAX_16 or size >= MAX_32 or offset >= MAX_32:
        end = struct.pack(
            '<4sQ2H2I4Q', b'PK\x06\x06', 44, ZIP64_VERSION, ZIP64_VERSION, 0, 0, count, count, size,
            offset,
        )  # fmt: skip
        end += struct.pack('<4sIQI', b'PK\x06\x07', 0, offset + size, 1)
    count, size, offset = min(count, MAX_16), min(size, MAX_32), min(offset, MAX_32)
    return end + struct.pack('<4s4H2IH', b'PK\x05\x06', 0, 0, count, count, size, offset, 0)
