"""Blobs: write a content, store it under its SHA-256, and open it."""

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


def publish(content=CONTENT):
    """Write a content and store it as a blob."""
    with blobs.BlobWriter(lambda size: size) as writer:
        writer.write_stream(BytesIO(content))
        writer.prepare_blob()
        with atomic():
            writer.publish_blob()


def limited_writer(limit=100, error=FileTooLarge):
    """Return a `BlobWriter` that raises `error` after more than `limit` bytes."""

    def extend(size):
        if size > limit:
            raise error
        return size

    return blobs.BlobWriter(extend)


class TestBlobWriter:
    def test_extends_the_reservation_before_a_write_exceeds_it(self, incoming):
        sizes = []

        def extend(size):
            sizes.append((size, incoming()[0].stat().st_size))
            return 10

        with blobs.BlobWriter(extend) as writer:
            for block in (b'12345', b'12345', b'1'):
                writer.write(block)

        assert sizes == [(5, 0), (11, 10)]

    def test_renews_the_reservation_periodically(self, monkeypatch):
        sizes = []
        with blobs.BlobWriter(lambda size: sizes.append(size) or 100) as writer:
            writer.write(b'1')
            writer.write(b'2')
            monkeypatch.setattr(blobs, 'RESERVATION_REFRESH_SECONDS', -1.0)
            writer.write(b'3')

        assert sizes == [1, 3]

    def test_has_the_size_the_hash_and_the_first_bytes(self):
        with limited_writer() as writer:
            writer.write_stream(BytesIO(CONTENT))

            assert (writer.size, writer.sha256, writer.head) == (len(CONTENT), HASH, CONTENT)

    def test_collects_the_first_bytes_from_small_reads(self):
        class SmallReads(BytesIO):
            def read(self, size=-1):
                return super().read(min(size, 1000))

        with limited_writer(20_000) as writer:
            writer.write_stream(SmallReads(b'x' * 20_000))

            assert writer.size == 20_000
            assert writer.head == b'x' * 8192

    @pytest.mark.parametrize('error', [FileTooLarge, QuotaExceeded])
    def test_accepts_exactly_the_limit_and_rejects_one_byte_more(self, incoming, error):
        with limited_writer(5, error) as writer:
            writer.write(b'12345')
            writer.write(b'')

            with pytest.raises(error):
                writer.write(b'6')
            assert writer.size == incoming()[0].stat().st_size == 5

    def test_stops_reading_at_the_limit(self):
        endless = BytesIO(b'x' * 8 * blobs.READ_CHUNK_BYTES)

        with limited_writer(blobs.READ_CHUNK_BYTES) as writer, pytest.raises(FileTooLarge):
            writer.write_stream(endless)

        assert endless.tell() == 2 * blobs.READ_CHUNK_BYTES

    def test_deletes_unpublished_bytes_on_close(self, incoming, kept):
        with limited_writer() as writer:
            writer.write_stream(BytesIO(CONTENT))
            assert len(incoming()) == 1

        assert (incoming(), kept()) == ([], [])

    def test_deletes_the_bytes_when_the_stream_raises(self, incoming):
        class Broken(BytesIO):
            def read(self, size=-1):
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError), limited_writer() as writer:
            writer.write_stream(Broken())
        assert incoming() == []

    def test_stores_bytes_under_their_hash(self, var, incoming):
        publish()

        path = var / 'storage' / 'blobs' / HASH[:2] / HASH[2:4] / HASH
        assert path.read_bytes() == CONTENT
        assert incoming() == []

    def test_stores_equal_bytes_once(self, var, incoming, kept):
        publish()
        path = storage().path(blobs.key_of(HASH))
        before = path.stat().st_ino

        publish()

        assert path.stat().st_ino == before
        assert (incoming(), kept()) == ([], [HASH])

    def test_syncs_the_folder_of_existing_equal_bytes(self, var, monkeypatch):
        publish()
        synced, fsync = [], os.fsync

        def record(descriptor):
            synced.append(Path(f'/proc/self/fd/{descriptor}').readlink())
            return fsync(descriptor)

        monkeypatch.setattr(os, 'fsync', record)
        publish()

        assert synced[-1] == var / 'storage' / 'blobs' / HASH[:2] / HASH[2:4]


class TestOpenBlob:
    def test_returns_the_stored_bytes(self):
        publish()

        with blobs.open_blob(HASH) as file:
            assert file.read() == CONTENT

    def test_raises_service_unavailable_for_missing_bytes(self):
        with pytest.raises(ServiceUnavailable):
            blobs.open_blob(HASH)


class TestKeyOf:
    def test_depends_on_the_hash_only(self):
        key = blobs.key_of('ab12' + '0' * 60)

        assert key == 'blobs/ab/12/ab12' + '0' * 60
        assert blobs.hash_of(key) == 'ab12' + '0' * 60
