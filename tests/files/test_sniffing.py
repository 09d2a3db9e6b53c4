"""Recognize the content type of bytes by their beginning."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from project.files import sniffing
from project.files.sniffing import HEAD_BYTES, INLINE_SAFE_TYPES, OCTET_STREAM, sniff

PNG = b'\x89PNG\r\n\x1a\n' + b'\0' * 32


class TestSniff:
    @pytest.mark.parametrize(
        ('head', 'type'),
        [
            (PNG, 'image/png'),
            (b'\xff\xd8\xff\xe0' + b'\0' * 32, 'image/jpeg'),
            (b'GIF89a' + b'\0' * 32, 'image/gif'),
            (b'%PDF-1.7\n', 'application/pdf'),
            (b'PK\x03\x04' + b'\0' * 32, 'application/zip'),
        ],
    )
    def test_knows_bytes_by_their_beginning(self, head, type):
        assert sniff(head) == type

    @pytest.mark.parametrize(
        'head',
        [
            b'Hello.\r\n\tIndented.\f',
            b'<!doctype html><script>alert(1)</script>',
            b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
            b'<?php system($_GET[0]);',
            b'{"json": true}',
            'Grüße, 世界'.encode(),
        ],
    )
    def test_calls_what_can_be_read_text_and_nothing_more(self, head):
        assert sniff(head) == 'text/plain'

    @pytest.mark.parametrize('head', [b'', b'\0\1\2', b'text\0text', b'\xff\xfe\xfd', b'bell\x07'])
    def test_calls_everything_else_octets(self, head):
        assert sniff(head) == OCTET_STREAM

    @pytest.mark.parametrize('cut', [1, 2, 3])
    def test_takes_a_character_that_the_head_cut_in_two_for_text(self, cut):
        text = 'a' * (HEAD_BYTES - cut) + '🦄'

        assert sniff(text.encode()[:HEAD_BYTES]) == 'text/plain'

    def test_does_not_take_a_broken_character_before_the_cut_for_text(self):
        assert sniff(b'\xf0' + b'a' * (HEAD_BYTES - 1)) == OCTET_STREAM

    def test_does_not_take_half_a_character_at_the_end_of_everything_for_text(self):
        assert sniff('🦄'.encode()[:3]) == OCTET_STREAM


class TestLibmagic:
    """It names what would be octets, where it is installed, and has no say in anything else."""

    @pytest.fixture
    def said(self, monkeypatch):
        """Return a function that has it say something of everything."""

        def say(type):
            monkeypatch.setattr(sniffing, '_libmagic', lambda: lambda _: type)

        return say

    def test_names_what_python_does_not_know(self, said):
        said('application/vnd.ms-outlook')

        assert sniff(b'\0\1\2') == 'application/vnd.ms-outlook'

    @pytest.mark.parametrize(
        'type',
        [
            'text/html', 'text/plain', 'image/svg+xml', 'application/xhtml+xml', 'text/javascript',
            'application/javascript', 'application/x-shockwave-flash', 'application/pdf',
            'application/xml', 'application/octet-stream', 'inode/x-empty',
        ],
    )  # fmt: skip
    def test_calls_nothing_what_a_browser_would_act_on(self, said, type):
        said(type)

        assert sniff(b'\0\1\2') == OCTET_STREAM

    @pytest.mark.parametrize(('head', 'type'), [(PNG, 'image/png'), (b'<html>', 'text/plain')])
    def test_is_not_asked_about_the_others(self, said, head, type):
        said('text/html')

        assert sniff(head) == type

    def test_is_done_without(self, monkeypatch):
        monkeypatch.setattr(sniffing, '_libmagic', lambda: None)

        assert sniff(b'\0\1\2') == OCTET_STREAM

    def test_may_be_missing(self, monkeypatch):
        # As where its Python half finds no library.
        monkeypatch.setitem(sys.modules, 'magic', None)

        assert sniffing._libmagic.__wrapped__() is None


@pytest.mark.servers
class TestRealLibmagic:
    def test_is_there_and_knows_more(self):
        assert sniffing._libmagic() is not None
        assert sniff(b'\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1' + bytes(504)) != OCTET_STREAM

    def test_takes_many_at_once(self):
        heads = [os.urandom(HEAD_BYTES) for _ in range(200)]

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(sniff, heads))

        assert found == [sniff(head) for head in heads]


class TestHarmless:
    @pytest.mark.parametrize(
        'type', ['text/html', 'image/svg+xml', 'application/pdf', 'text/xml', 'application/json']
    )
    def test_names_nothing_that_can_act(self, type):
        assert type not in INLINE_SAFE_TYPES
