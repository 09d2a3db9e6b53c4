"""Keys made of SECRET_KEY."""

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


class TestMac:
    def test_is_32_bytes_and_always_the_same(self, rotate):
        assert len(compute_hmac('pin', '123456')) == 32
        assert compute_hmac('pin', '123456') == compute_hmac('pin', '123456')

    def test_depends_on_purpose_message_and_key(self, rotate):
        macs = {
            compute_hmac('pin', '123456'),
            compute_hmac('pin', '123457'),
            compute_hmac('reset', '123456'),
        }
        rotate(NEW)
        macs.add(compute_hmac('pin', '123456'))

        assert len(macs) == 4

    def test_does_not_let_purpose_and_message_run_together(self, rotate):
        assert compute_hmac('pin1', '23456') != compute_hmac('pin', '123456')


class TestVerifyHmac:
    def test_believes_what_mac_made_for_the_same_purpose(self, rotate):
        made = compute_hmac('pin', '123456')

        assert verify_hmac(made, 'pin', '123456')
        assert not verify_hmac(made, 'pin', '123457')
        assert not verify_hmac(made, 'reset', '123456')
        assert not verify_hmac(b'', 'pin', '123456')

    def test_believes_an_older_key_as_long_as_it_is_kept(self, rotate):
        made = compute_hmac('pin', '123456')

        rotate(NEW, 'older-' * 10, OLD)
        assert verify_hmac(made, 'pin', '123456')
        rotate(NEW)
        assert not verify_hmac(made, 'pin', '123456')


class TestSign:
    def test_makes_text_for_urls(self, rotate):
        text = sign('cursor', ['name', 'ünï', 1, None])

        assert text.isascii()
        assert not set(text) & set('/+=&?# ')

    def test_signs_with_the_newest_key(self, rotate):
        rotate(NEW, OLD)
        text = sign('cursor', 1)
        rotate(NEW)

        assert unsign('cursor', text) == 1


class TestUnsign:
    def test_gives_back_what_was_signed(self, rotate):
        assert unsign('cursor', sign('cursor', {'a': [1, 'b', None]})) == {'a': [1, 'b', None]}

    def test_believes_nothing_signed_for_another_purpose(self, rotate):
        assert unsign('avatar', sign('cursor', 1)) is None

    def test_believes_no_change_of_a_single_character(self, rotate):
        text = sign('cursor', [1, 2, 3])
        # The last character of base64 holds bits that nobody reads.
        changed = [
            text[:at] + ('A' if text[at] != 'A' else 'B') + text[at + 1 :]
            for at in range(len(text) - 1)
        ]

        assert {unsign('cursor', other) for other in changed} == {None}

    @pytest.mark.parametrize('text', ['', '.', 'abc', '.abc.def', 'ünï', 'a.b.c.d', 'x' * 5000])
    def test_believes_no_garbage(self, rotate, text):
        assert unsign('cursor', text) is None

    def test_believes_an_older_key_as_long_as_it_is_kept(self, rotate):
        text = sign('cursor', 1)

        rotate(NEW, OLD)
        assert unsign('cursor', text) == 1
        rotate(NEW)
        assert unsign('cursor', text) is None


class TestDerivedKeys:
    def test_are_one_of_32_bytes_for_each_secret_key_and_the_newest_first(self, rotate):
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
    def test_is_spread_over_all_numbers_below_two_to_the_31(self, rotate):
        found = [keyed_number('place', str(n)) for n in range(1000)]

        assert 0 <= min(found) < 1 << 26
        assert (1 << 31) - (1 << 26) < max(found) < 1 << 31
        assert found == [keyed_number('place', str(n)) for n in range(1000)]

    def test_depends_on_the_key_and_the_purpose(self, rotate):
        before = keyed_number('place', 'ada')

        assert keyed_number('other', 'ada') != before
        rotate(NEW, OLD)
        assert keyed_number('place', 'ada') != before
