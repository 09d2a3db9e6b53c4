"""Encryption under SECRET_KEY, and decryption with it or a fallback."""

import pytest

from project.core.security.encryption import decrypt, encrypt, find_key, reencrypt

from .secret_keys import NEW, OLD


class TestEncrypt:
    def test_hides_the_plain_text(self, rotate):
        assert b'012345' not in encrypt('pin', b'012345')

    def test_returns_a_different_ciphertext_each_time(self, rotate):
        assert encrypt('pin', b'012345') != encrypt('pin', b'012345')

    def test_uses_the_newest_key(self, rotate):
        rotate(NEW, OLD)
        encrypted = encrypt('pin', b'012345')
        rotate(NEW)

        assert decrypt('pin', encrypted) == b'012345'


class TestDecrypt:
    @pytest.mark.parametrize('secret', [b'', b'012345', bytes(range(256)) * 300])
    def test_returns_the_plain_text(self, rotate, secret):
        assert decrypt('pin', encrypt('pin', secret)) == secret

    def test_returns_none_for_another_purpose(self, rotate):
        assert decrypt('reset', encrypt('pin', b'012345')) is None

    def test_accepts_a_fallback_key_until_it_is_removed(self, rotate):
        encrypted = encrypt('pin', b'012345')

        rotate(NEW, 'older-' * 10, OLD)
        assert decrypt('pin', encrypted) == b'012345'
        rotate(NEW)
        assert decrypt('pin', encrypted) is None

    @pytest.mark.parametrize('garbage', [b'', b'gAAAA', b'\xff' * 100, b'x' * 5000])
    def test_returns_none_for_garbage(self, rotate, garbage):
        assert decrypt('pin', garbage) is None

    def test_returns_none_for_a_changed_ciphertext(self, rotate):
        encrypted = bytearray(encrypt('pin', b'012345'))
        encrypted[20] ^= 1

        assert decrypt('pin', bytes(encrypted)) is None


class TestFindKey:
    def test_returns_the_number_of_the_key(self, rotate):
        encrypted = encrypt('pin', b'012345')
        assert find_key('pin', encrypted) == 0

        rotate(NEW, 'other-' * 7, OLD)
        assert find_key('pin', encrypted) == 2

    @pytest.mark.parametrize('keys', [(NEW,), (NEW, 'other-' * 7)])
    def test_returns_none_for_an_unknown_key(self, rotate, keys):
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
