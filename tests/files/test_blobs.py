"""Bytes by their hash: how they come in, and where they lie."""

from hashlib import sha256
from io import BytesIO

import pytest

from project.core.data.storage import storage
from project.core.errors import Unavailable
from project.files import blobs
from project.files.errors import FileTooLarge

CONTENT = b'Some bytes.'
HASH = sha256(CONTENT).hexdigest()


def put(content=CONTENT):
    """Receive bytes and keep them."""
    with blobs.receive(BytesIO(content), limit=len(content)) as (staged, _head):
        blobs.keep(staged)
    return staged


class TestReceive:
    def test_counts_hashes_and_shows_the_head(self):
        with blobs.receive(BytesIO(CONTENT), limit=100) as (staged, head):
            assert (staged.size, staged.sha256, head) == (len(CONTENT), HASH, CONTENT)

    def test_gives_a_head_of_a_stream_that_comes_in_drops(self):
        class Drops(BytesIO):
            def read(self, size=-1):
                return super().read(min(size, 1000))

        with blobs.receive(Drops(b'x' * 20_000), limit=20_000) as (staged, head):
            assert staged.size == 20_000
            assert head == b'x' * 8192

    def test_takes_exactly_the_limit_and_refuses_one_byte_more(self, incoming):
        with blobs.receive(BytesIO(b'12345'), limit=5) as (staged, _head):
            assert staged.size == 5

        with pytest.raises(FileTooLarge), blobs.receive(BytesIO(b'123456'), limit=5):
            pytest.fail('it was let in')
        assert incoming() == []

    def test_reads_nothing_behind_what_was_too_much(self):
        endless = BytesIO(b'x' * 8 * blobs.BLOCK)

        with pytest.raises(FileTooLarge), blobs.receive(endless, limit=blobs.BLOCK):
            pytest.fail('it was let in')

        assert endless.tell() == 2 * blobs.BLOCK

    def test_leaves_nothing_of_what_the_block_did_not_keep(self, incoming, kept):
        with blobs.receive(BytesIO(CONTENT), limit=100):
            assert len(incoming()) == 1

        assert (incoming(), kept()) == ([], [])

    def test_leaves_nothing_of_what_broke_off(self, incoming):
        class Broken(BytesIO):
            def read(self, size=-1):
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError), blobs.receive(Broken(), limit=100):
            pytest.fail('it was let in')
        assert incoming() == []


class TestKeep:
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


class TestOpenBlob:
    def test_gives_the_bytes_back(self):
        put()

        with blobs.open_blob(HASH) as file:
            assert file.read() == CONTENT

    def test_says_that_it_cannot_where_they_are_missing(self):
        with pytest.raises(Unavailable):
            blobs.open_blob(HASH)


class TestRemove:
    def test_forgets_bytes_and_forgetting_nothing_is_fine(self, kept):
        put()

        blobs.remove(HASH)
        blobs.remove(HASH)

        assert kept() == []


class TestKeyOf:
    def test_is_made_of_the_hash_alone(self):
        assert blobs.key_of('ab12' + '0' * 60) == 'blobs/ab/12/ab12' + '0' * 60
