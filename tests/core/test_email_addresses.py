"""Normal forms of email addresses."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from project.core.email_addresses import (
    ascii_domain,
    email_comparison_key,
    email_on_the_wire,
    normalize_email_address,
)

# Characters that case folding, NFC, NFKC or IDNA changes.
LETTERS = st.text('aAzßẞſıİüÜúσςΣıK\N{KELVIN SIGN}ﬁ１é\u0301\u200d-.x', min_size=1, max_size=12)
ADDRESSES = st.builds('{}@{}.test'.format, LETTERS, LETTERS)


class TestNormalizeEmailAddress:
    @pytest.mark.parametrize(
        ('text', 'normalized'),
        [
            ('ada@example.com', 'ada@example.com'),
            ('Ada.Lovelace+flask@EXAMPLE.com', 'Ada.Lovelace+flask@example.com'),
            ('jürgen@bücher.example', 'jürgen@bücher.example'),
            ('ju\N{COMBINING DIAERESIS}rgen@example.com', 'jürgen@example.com'),
            ('ada@xn--bcher-kva.example', 'ada@bücher.example'),
            ('ada@something.test', 'ada@something.test'),
            (' ada@example.com\t', 'ada@example.com'),
            ('ada@STRASSE.test', 'ada@strasse.test'),
            ('ada@straße.test', 'ada@straße.test'),
        ],
    )
    def test_returns_the_canonical_form(self, text, normalized):
        assert normalize_email_address(text) == normalized

    @pytest.mark.parametrize(
        'text',
        [
            '',
            'ada',
            'ada@',
            '@example.com',
            'ada@localhost',
            'ada@example..com',
            'ada@example.com\nBcc: eve@example.com',
            'ada@example.com, eve@example.com',
            'Ada <ada@example.com>',
            'ada @example.com',
            'ada@[127.0.0.1]',
            'ada@' + 'a.' * 125 + 'com',
        ],
    )
    def test_returns_none_for_an_invalid_email_address(self, text):
        assert normalize_email_address(text) is None

    def test_accepts_at_most_254_characters(self):
        domain = '.'.join(['d' * 60] * 4)

        assert len(f'{"a" * 7}@{domain}.ab') == 254
        assert normalize_email_address(f'{"a" * 7}@{domain}.ab') is not None
        assert normalize_email_address(f'{"a" * 8}@{domain}.ab') is None


class TestEmailComparisonKey:
    @pytest.mark.parametrize(
        'text',
        [
            'ada@bücher.example',
            'ADA@BÜCHER.example',
            'ada@xn--bcher-kva.example',
            'ada@XN--BCHER-KVA.EXAMPLE',
            'ada@bu\N{COMBINING DIAERESIS}cher.example',
            'ada@bücher\N{IDEOGRAPHIC FULL STOP}example',
            ' ada@bücher.example ',
        ],
    )
    def test_is_the_same_for_all_spellings_of_a_domain(self, text):
        assert email_comparison_key(text) == 'ada@xn--bcher-kva.example'

    def test_distinguishes_domains_that_idna_distinguishes(self):
        assert email_comparison_key('ada@straße.test') != email_comparison_key('ada@strasse.test')

    @pytest.mark.parametrize('text', ['', '@', 'Ada', 'a@b@ü', 'a@xn--', 'a@\N{SNOWMAN}', 'a@-'])
    def test_is_idempotent_for_any_text(self, text):
        key = email_comparison_key(text)

        assert email_comparison_key(key) == key

    def test_is_fast_for_a_long_domain(self):
        assert email_comparison_key('a@xn--' + 'ü' * 100_000).startswith('a@xn--ü')

    @settings(max_examples=300, deadline=None)
    @example('ada@xn--bcher-kva.test')
    @given(ADDRESSES)
    def test_equals_the_key_of_the_canonical_form(self, text):
        canonical = normalize_email_address(text)
        if canonical is None:
            return

        assert normalize_email_address(canonical) == canonical
        assert email_comparison_key(canonical) == email_comparison_key(text)
        assert email_comparison_key(email_on_the_wire(text)) == email_comparison_key(text)
        assert ascii_domain(canonical.rpartition('@')[2]).isascii()
