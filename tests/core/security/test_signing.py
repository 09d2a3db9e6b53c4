"""HMACs, signatures and keys derived from SECRET_KEY."""

import pytest

from project.core.security.signing import (
    compute_hmac,
    derived_keys,
    keyed_number,
    sign,
    unsign,
    verify_hmac,
)

from .secret_keys import NEW, OLD


class TestComputeHmac:
    def test_returns_32_deterministic_bytes(self, rotate):
        assert len(compute_hmac('pin', '123456')) == 32
        assert compute_hmac('pin', '123456') == compute_hmac('pin', '123456')

    def test_depends_on_purpose_message_and_key(self, rotate):
        hmacs = {
            compute_hmac('pin', '123456'),
            compute_hmac('pin', '123457'),
            compute_hmac('reset', '123456'),
        }
        rotate(NEW)
        hmacs.add(compute_hmac('pin', '123456'))

        assert len(hmacs) == 4

    def test_separates_purpose_and_message(self, rotate):
        assert compute_hmac('pin1', '23456') != compute_hmac('pin', '123456')


class TestVerifyHmac:
    def test_accepts_an_hmac_of_the_same_purpose_and_message(self, rotate):
        made = compute_hmac('pin', '123456')

        assert verify_hmac(made, 'pin', '123456')
        assert not verify_hmac(made, 'pin', '123457')
        assert not verify_hmac(made, 'reset', '123456')
        assert not verify_hmac(b'', 'pin', '123456')

    def test_accepts_a_fallback_key_until_it_is_removed(self, rotate):
        made = compute_hmac('pin', '123456')

        rotate(NEW, 'older-' * 10, OLD)
        assert verify_hmac(made, 'pin', '123456')
        rotate(NEW)
        assert not verify_hmac(made, 'pin', '123456')


class TestSign:
    def test_returns_url_safe_text(self, rotate):
        text = sign('cursor', ['name', 'ünï', 1, None])

        assert text.isascii()
        assert not set(text) & set('/+=&?# ')

    def test_uses_the_newest_key(self, rotate):
        rotate(NEW, OLD)
        text = sign('cursor', 1)
        rotate(NEW)

        assert unsign('cursor', text) == 1


class TestUnsign:
    def test_returns_the_signed_value(self, rotate):
        assert unsign('cursor', sign('cursor', {'a': [1, 'b', None]})) == {'a': [1, 'b', None]}

    def test_returns_none_for_another_purpose(self, rotate):
        assert unsign('avatar', sign('cursor', 1)) is None

    def test_returns_none_after_a_change_of_one_character(self, rotate):
        text = sign('cursor', [1, 2, 3])
        # The last base64 character has unused bits: changing them may not change the decoded bytes.
        changed = [
            text[:at] + ('A' if text[at] != 'A' else 'B') + text[at + 1 :]
            for at in range(len(text) - 1)
        ]

        assert {unsign('cursor', other) for other in changed} == {None}

    @pytest.mark.parametrize('text', ['', '.', 'abc', '.abc.def', 'ünï', 'a.b.c.d', 'x' * 5000])
    def test_returns_none_for_garbage(self, rotate, text):
        assert unsign('cursor', text) is None

    def test_accepts_a_fallback_key_until_it_is_removed(self, rotate):
        text = sign('cursor', 1)

        rotate(NEW, OLD)
        assert unsign('cursor', text) == 1
        rotate(NEW)
        assert unsign('cursor', text) is None


class TestDerivedKeys:
    def test_contain_32_bytes_for_each_secret_key_and_start_with_the_newest(self, rotate):
        [old] = derived_keys('seal')
        rotate(NEW)
        [new] = derived_keys('seal')
        rotate(NEW, OLD)

        assert derived_keys('seal') == [new, old]
        assert len(new) == len(old) == 32
        assert new != old

    def test_depend_on_the_purpose(self, rotate):
        assert derived_keys('seal') != derived_keys('sign')


class TestKeyedNumber:
    def test_is_evenly_distributed_below_two_to_the_31(self, rotate):
        found = [keyed_number('place', str(n)) for n in range(1000)]

        assert 0 <= min(found) < 1 << 26
        assert (1 << 31) - (1 << 26) < max(found) < 1 << 31
        assert found == [keyed_number('place', str(n)) for n in range(1000)]

    def test_depends_on_the_key_and_the_purpose(self, rotate):
        before = keyed_number('place', 'ada')

        assert keyed_number('other', 'ada') != before
        rotate(NEW, OLD)
        assert keyed_number('place', 'ada') != before
