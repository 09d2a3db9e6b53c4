"""Encryption: what one key encrypts, the same key or a newer one with fallbacks decrypts."""

import pytest

from project.core.security.encryption import decrypt, encrypt, find_key, reencrypt

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


class TestFindKey:
    def test_is_the_number_of_the_key(self, rotate):
        encrypted = encrypt('pin', b'012345')
        assert find_key('pin', encrypted) == 0

        rotate(NEW, 'other-' * 7, OLD)
        assert find_key('pin', encrypted) == 2

    @pytest.mark.parametrize('keys', [(NEW,), (NEW, 'other-' * 7)])
    def test_is_none_for_an_unknown_key(self, rotate, keys):
        encrypted = encrypt('pin', b'012345')
        rotate(*keys)

        assert find_key('pin', encrypted) is None


class TestReencrypt:
    def test_encrypts_under_the_newest_key(self, rotate):
        encrypted = encrypt('pin', b'012345')
        rotate(NEW, OLD)

        fresh = reencrypt('pin', encrypted)

        rotate(NEW)
        assert decrypt('pin', fresh) == b'012345'
