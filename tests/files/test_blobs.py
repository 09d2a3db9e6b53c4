"""Receive bytes, keep them under their hash, open and delete them."""

import os
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from project.core.database.session import atomic
from project.core.errors import ServiceUnavailable
from project.core.storage import storage
from project.files import blobs
from project.files.errors import FileTooLarge, QuotaExceeded

CONTENT = b'Some bytes.'
HASH = sha256(CONTENT).hexdigest()


def put(content=CONTENT):
    """Receive bytes and publish them."""
    with blobs.BlobWriter(lambda size: size) as coming:
        coming.write_stream(BytesIO(content))
        coming.prepare_blob()
        with atomic():
            coming.publish_blob()


def upload(limit=100, refusal=FileTooLarge):
    """Return where to write so many bytes to and no more."""

    def ask(size):
        if size > limit:
            raise refusal
        return size

    return blobs.BlobWriter(ask)


class TestIncoming:
    def test_asks_before_it_writes_and_no_more_than_it_must(self, incoming):
        asked = []

        def ask(size):
            asked.append((size, incoming()[0].stat().st_size))
            return 10

        with blobs.BlobWriter(ask) as coming:
            for block in (b'12345', b'12345', b'1'):
                coming.write(block)

        assert asked == [(5, 0), (11, 10)]

    def test_asks_again_by_and_by_so_that_it_is_known_to_live(self, monkeypatch):
        asked = []
        with blobs.BlobWriter(lambda size: asked.append(size) or 100) as coming:
            coming.write(b'1')
            coming.write(b'2')
            monkeypatch.setattr(blobs, 'RESERVATION_REFRESH_SECONDS', -1.0)
            coming.write(b'3')

        assert asked == [1, 3]

    def test_counts_hashes_and_shows_the_head(self):
        with upload() as coming:
            coming.write_stream(BytesIO(CONTENT))

            assert (coming.size, coming.sha256, coming.head) == (len(CONTENT), HASH, CONTENT)

    def test_gives_a_head_of_a_stream_that_comes_in_drops(self):
        class Drops(BytesIO):
            def read(self, size=-1):
                return super().read(min(size, 1000))

        with upload(20_000) as coming:
            coming.write_stream(Drops(b'x' * 20_000))

            assert coming.size == 20_000
            assert coming.head == b'x' * 8192

    @pytest.mark.parametrize('refusal', [FileTooLarge, QuotaExceeded])
    def test_takes_exactly_the_limit_and_rejects_one_byte_more(self, incoming, refusal):
        with upload(5, refusal) as coming:
            coming.write(b'12345')
            coming.write(b'')

            with pytest.raises(refusal):
                coming.write(b'6')
            assert coming.size == incoming()[0].stat().st_size == 5

    def test_reads_nothing_behind_what_was_too_much(self):
        endless = BytesIO(b'x' * 8 * blobs.READ_CHUNK_BYTES)

        with upload(blobs.READ_CHUNK_BYTES) as coming, pytest.raises(FileTooLarge):
            coming.write_stream(endless)

        assert endless.tell() == 2 * blobs.READ_CHUNK_BYTES

    def test_leaves_nothing_of_what_was_not_kept(self, incoming, kept):
        with upload() as coming:
            coming.write_stream(BytesIO(CONTENT))
            assert len(incoming()) == 1

        assert (incoming(), kept()) == ([], [])

    def test_leaves_nothing_of_what_broke_off(self, incoming):
        class Broken(BytesIO):
            def read(self, size=-1):
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError), upload() as coming:
            coming.write_stream(Broken())
        assert incoming() == []

    def test_puts_bytes_under_their_hash(self, var, incoming):
        put()

        path = var / 'storage' / 'blobs' / HASH[:2] / HASH[2:4] / HASH
        assert path.read_bytes() == CONTENT
        assert incoming() == []

    def test_keeps_the_same_bytes_once_and_touches_them_no_more(self, var, incoming, kept):
        put()
        path = storage().path(blobs.key_of(HASH))
        before = path.stat().st_ino

        put()

        assert path.stat().st_ino == before
        assert (incoming(), kept()) == ([], [HASH])

    def test_makes_durable_what_somebody_put_there_who_died(self, var, monkeypatch):
        put()
        synced, fsync = [], os.fsync

        def record(descriptor):
            synced.append(Path(f'/proc/self/fd/{descriptor}').readlink())
            return fsync(descriptor)

        monkeypatch.setattr(os, 'fsync', record)
        put()

        assert synced[-1] == var / 'storage' / 'blobs' / HASH[:2] / HASH[2:4]


class TestOpenBlob:
    def test_gives_the_bytes_back(self):
        put()

        with blobs.open_blob(HASH) as file:
            assert file.read() == CONTENT

    def test_says_that_it_cannot_where_they_are_missing(self):
        with pytest.raises(ServiceUnavailable):
            blobs.open_blob(HASH)


class TestKeyOf:
    def test_is_made_of_the_hash_alone(self):
        key = blobs.key_of('ab12' + '0' * 60)

        assert key == 'blobs/ab/12/ab12' + '0' * 60
        assert blobs.hash_of(key) == 'ab12' + '0' * 60
