"""Encryption: what one key encrypts, the same key or a newer one with fallbacks decrypts."""

import pytest

from project.core.security.encryption import decrypt, encrypt

from .secret_keys import NEW, OLD


class TestEncrypt:
    def test_hides_what_it_is_given(self, rotate):
        assert b'012345' not in encrypt('pin', b'012345')

    def test_seals_the_same_never_the_same_way(self, rotate):
        assert encrypt('pin', b'012345') != encrypt('pin', b'012345')

    def test_seals_with_the_newest_key(self, rotate):
        rotate(NEW, OLD)
        sealed = encrypt('pin', b'012345')
        rotate(NEW)

        assert decrypt('pin', sealed) == b'012345'


class TestDecrypt:
    @pytest.mark.parametrize('secret', [b'', b'012345', bytes(range(256)) * 300])
    def test_gives_back_what_was_encrypted(self, rotate, secret):
        assert decrypt('pin', encrypt('pin', secret)) == secret

    def test_decrypts_nothing_of_another_purpose(self, rotate):
        assert decrypt('reset', encrypt('pin', b'012345')) is None

    def test_decrypts_what_an_older_key_encrypted_as_long_as_it_is_kept(self, rotate):
        sealed = encrypt('pin', b'012345')

        rotate(NEW, 'older-' * 10, OLD)
        assert decrypt('pin', sealed) == b'012345'
        rotate(NEW)
        assert decrypt('pin', sealed) is None

    @pytest.mark.parametrize('garbage', [b'', b'gAAAA', b'\xff' * 100, b'x' * 5000])
    def test_opens_no_garbage(self, rotate, garbage):
        assert decrypt('pin', garbage) is None

    def test_opens_nothing_that_was_changed(self, rotate):
        sealed = bytearray(encrypt('pin', b'012345'))
        sealed[20] ^= 1

        assert decrypt('pin', bytes(sealed)) is None
