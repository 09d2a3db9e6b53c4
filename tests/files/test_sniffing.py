"""Detection of the content type of a file from its first bytes."""

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
    def test_returns_the_type_of_known_first_bytes(self, head, type):
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
    def test_returns_text_plain_for_all_text(self, head):
        assert sniff(head) == 'text/plain'

    @pytest.mark.parametrize('head', [b'', b'\0\1\2', b'text\0text', b'\xff\xfe\xfd', b'bell\x07'])
    def test_returns_octet_stream_for_other_bytes(self, head):
        assert sniff(head) == OCTET_STREAM

    @pytest.mark.parametrize('cut', [1, 2, 3])
    def test_accepts_a_character_cut_at_the_end_of_the_head(self, cut):
        text = 'a' * (HEAD_BYTES - cut) + '🦄'

        assert sniff(text.encode()[:HEAD_BYTES]) == 'text/plain'

    def test_rejects_a_broken_character_before_the_end_of_the_head(self):
        assert sniff(b'\xf0' + b'a' * (HEAD_BYTES - 1)) == OCTET_STREAM

    def test_rejects_a_cut_character_at_the_end_of_the_file(self):
        assert sniff('🦄'.encode()[:3]) == OCTET_STREAM


class TestLibmagic:
    """The optional package libmagic, which is used only for otherwise unknown types."""

    @pytest.fixture
    def libmagic_returns(self, monkeypatch):
        """Return a function that makes libmagic detect the same type in all files."""

        def say(type):
            monkeypatch.setattr(sniffing, '_libmagic', lambda: lambda _: type)

        return say

    def test_names_types_that_are_not_detected_otherwise(self, libmagic_returns):
        libmagic_returns('application/vnd.ms-outlook')

        assert sniff(b'\0\1\2') == 'application/vnd.ms-outlook'

    @pytest.mark.parametrize(
        'type',
        [
            'text/html', 'text/plain', 'image/svg+xml', 'application/xhtml+xml', 'text/javascript',
            'application/javascript', 'application/x-shockwave-flash', 'application/pdf',
            'application/xml', 'application/octet-stream', 'inode/x-empty',
        ],
    )  # fmt: skip
    def test_never_names_active_types(self, libmagic_returns, type):
        libmagic_returns(type)

        assert sniff(b'\0\1\2') == OCTET_STREAM

    @pytest.mark.parametrize(('head', 'type'), [(PNG, 'image/png'), (b'<html>', 'text/plain')])
    def test_does_not_change_types_that_are_detected_otherwise(self, libmagic_returns, head, type):
        libmagic_returns('text/html')

        assert sniff(head) == type

    def test_is_optional(self, monkeypatch):
        monkeypatch.setattr(sniffing, '_libmagic', lambda: None)

        assert sniff(b'\0\1\2') == OCTET_STREAM

    def test_returns_none_without_the_package(self, monkeypatch):
        # As without the package. The import fails in the same way if the C library is missing.
        monkeypatch.setitem(sys.modules, 'magic', None)

        assert sniffing._libmagic.__wrapped__() is None


@pytest.mark.servers
class TestRealLibmagic:
    def test_names_a_type_that_is_not_detected_otherwise(self):
        assert sniffing._libmagic() is not None
        assert sniff(b'\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1' + bytes(504)) != OCTET_STREAM

    def test_returns_the_same_types_in_several_threads(self):
        heads = [os.urandom(HEAD_BYTES) for _ in range(200)]

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(sniff, heads))

        assert found == [sniff(head) for head in heads]


class TestInlineSafeTypes:
    @pytest.mark.parametrize(
        'type', ['text/html', 'image/svg+xml', 'application/pdf', 'text/xml', 'application/json']
    )
    def test_contain_no_active_types(self, type):
        assert type not in INLINE_SAFE_TYPES
