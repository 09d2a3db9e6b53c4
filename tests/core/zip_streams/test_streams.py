"""ZIP files that are created while they are sent."""

import struct
import zlib
from datetime import UTC, datetime
from io import BytesIO
from zipfile import ZipFile

import pytest

from project.core.zip_streams import ZipEntry, ZipStream, ZipWriter
from project.core.zip_streams.headers import directory_header, dos_time, end_of_zip, sizes_of

MOMENT = datetime(2026, 7, 1, 12, 34, 56, tzinfo=UTC)
CONTENTS = [b'', b'x', b'y' * 0xFFFF, b'z' * 0x10000, bytes(range(256)) * 1000]


def entry(content, *, name='a.bin', is_known=True):
    """Return an entry whose content arrives in two blocks."""
    half = len(content) // 2
    crc = zlib.crc32(content) if is_known else None
    return ZipEntry(name, MOMENT, len(content), crc, [content[:half], content[half:]])


def read_from_the_start(data):
    """Yield names and contents as readers do that do not know the directory at the end."""
    stream = BytesIO(data)
    while (header := stream.read(30))[:4] == b'PK\3\4':
        _, flags, method, _, _, _, size, _, name, extra = struct.unpack('<5H3I2H', header[4:])
        shown = stream.read(name).decode()
        stream.read(extra)
        if method == 0:
            assert not flags & 8, 'a stored entry must state its size'
            yield shown, stream.read(size)
            continue
        inflater = zlib.decompressobj(-15)
        content = inflater.decompress(stream.read())
        stream = BytesIO(inflater.unused_data)
        signature, crc, _, length = struct.unpack('<4s3I', stream.read(16))
        assert (signature, crc, length) == (b'PK\7\10', zlib.crc32(content), len(content))
        yield shown, content


class TestZipStream:
    @pytest.mark.parametrize('is_known', [True, False])
    def test_can_be_read_from_both_ends(self, is_known):
        names = {f'Größe {number}.bin': content for number, content in enumerate(CONTENTS)}
        made = ZipStream([entry(c, name=n, is_known=is_known) for n, c in names.items()])

        data = b''.join(made)

        assert len(made) == len(data)
        assert dict(read_from_the_start(data)) == names
        with ZipFile(BytesIO(data)) as archive:
            assert archive.testzip() is None
            assert {name: archive.read(name) for name in archive.namelist()} == names
            assert {each.date_time for each in archive.infolist()} == {(2026, 7, 1, 12, 34, 56)}

    @pytest.mark.parametrize('is_known', [True, False])
    @pytest.mark.parametrize('size', [3, 5])
    def test_raises_if_an_entry_does_not_have_its_size(self, is_known, size):
        crc = 0 if is_known else None
        made = ZipStream([ZipEntry('a', MOMENT, size, crc, [b'1234'])])

        with pytest.raises(RuntimeError, match='4 bytes instead of'):
            b''.join(made)

    @pytest.mark.parametrize('is_known', [True, False])
    def test_uses_64_bits_for_large_sizes_and_offsets(self, is_known):
        """Read the directory only: the content has 5 GB."""
        large = ZipEntry('a', MOMENT, 5_000_000_000, 0 if is_known else None, [])
        directory = directory_header(large, 0, 6_000_000_000, sizes_of(large))
        end = end_of_zip(1, len(directory), 0)

        with ZipFile(BytesIO(directory + end)) as archive:
            [found] = archive.infolist()
        assert (found.file_size, found.header_offset) == (5_000_000_000, 6_000_000_000)
        assert found.compress_size == large.compressed_size

    def test_counts_more_entries_than_fit_into_16_bits(self):
        end = end_of_zip(0x10001, 0, 0)

        assert struct.unpack('<2Q', end[24:40]) == (0x10001, 0x10001)
        assert struct.unpack('<2H', end[-14:-10]) == (0xFFFF, 0xFFFF)


class TestZipWriter:
    @pytest.mark.parametrize('is_packed', [True, False])
    def test_writes_contents_that_can_be_read_from_both_ends(self, is_packed):
        names = {f'Größe {number}.bin': content for number, content in enumerate(CONTENTS)}
        file = BytesIO()
        writer = ZipWriter(file)
        for name, content in names.items():
            writer.add(name, MOMENT, [content[:1], content[1:]], is_packed=is_packed)

        writer.finish()

        assert dict(read_from_the_start(file.getvalue())) == names
        with ZipFile(file) as archive:
            assert archive.testzip() is None
            assert {name: archive.read(name) for name in archive.namelist()} == names
            assert {each.date_time for each in archive.infolist()} == {(2026, 7, 1, 12, 34, 56)}


class TestDosTime:
    @pytest.mark.parametrize(
        ('year', 'expected'), [(1900, 1980), (1980, 1980), (2107, 2107), (2108, 2107)]
    )
    def test_is_limited_to_the_years_of_the_format(self, year, expected):
        assert dos_time(datetime(year, 6, 1, tzinfo=UTC))[0] == expected
