"""Normal forms of email addresses."""

import pytest

from project.core.email_addresses import normalize_email_address


class TestNormalizeAddress:
    @pytest.mark.parametrize(
        ('text', 'normalized'),
        [
            ('ada@example.com', 'ada@example.com'),
            ('Ada.Lovelace+flask@EXAMPLE.com', 'Ada.Lovelace+flask@example.com'),
            ('jürgen@bücher.example', 'jürgen@bücher.example'),
            ('ju\N{COMBINING DIAERESIS}rgen@example.com', 'jürgen@example.com'),
            ('ada@xn--bcher-kva.example', 'ada@bücher.example'),
            ('ada@something.test', 'ada@something.test'),
        ],
    )
    def test_returns_the_form_that_is_written_to(self, text, normalized):
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
    def test_knows_what_no_mail_could_reach(self, text):
        assert normalize_email_address(text) is None

    def test_takes_254_characters_at_most(self):
        domain = '.'.join(['d' * 60] * 4)

        assert len(f'{"a" * 7}@{domain}.ab') == 254
        assert normalize_email_address(f'{"a" * 7}@{domain}.ab') is not None
        assert normalize_email_address(f'{"a" * 8}@{domain}.ab') is None
