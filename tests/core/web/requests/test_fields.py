"""Fields of request and response schemas."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from io import BytesIO
from json import loads

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError, fields, missing
from werkzeug.datastructures import FileStorage

from project.core.clock import MAX_LIFETIME, RFC3339_PATTERN
from project.core.web.requests.fields import (
    CommaSeparated,
    EmailAddress,
    OtpCode,
    Password,
    PinCode,
    Text,
    Timestamp,
    UploadedFile,
)
from project.core.web.responses.jsend import to_json

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

# The range includes the first and the last day of the calendar, where adding days overflows.
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENT_TEXTS = st.datetimes(timezones=OFFSETS).map(datetime.isoformat)


def rejected(field, value):
    with pytest.raises(ValidationError):
        field.deserialize(value)
    return True


class TestText:
    @pytest.mark.parametrize('text', ['', 'Ada', 'Łukasz 🎩', 'عمر', '<b>', 'a\u00a0b'])
    def test_accepts_text_in_any_script(self, text):
        assert Text(max=20).deserialize(text) == text

    def test_normalizes_characters_to_their_composed_form(self):
        assert Text(max=5).deserialize('e\N{COMBINING ACUTE ACCENT}') == 'é'

    @pytest.mark.parametrize('char', ['\0', '\n', '\r', '\t', '\x1b', '\x7f', '\x9b', '\ud800'])
    def test_rejects_control_characters(self, char):
        assert rejected(Text(max=20), f'a{char}b')

    @pytest.mark.parametrize('char', ['\u202a', '\u202e', '\u2066', '\u2069'])
    def test_rejects_characters_that_change_the_writing_direction(self, char):
        assert rejected(Text(max=20, lines=True), f'a{char}b')

    def test_accepts_line_breaks_when_lines_is_set(self):
        assert Text(max=20, lines=True).deserialize('a\r\n\tb') == 'a\r\n\tb'
        assert rejected(Text(max=20, lines=True), 'a\x1bb')

    def test_counts_characters_and_not_bytes(self):
        field = Text(min=2, max=3)

        assert field.deserialize('🎩🎩🎩') == '🎩🎩🎩'
        assert rejected(field, '🎩🎩🎩🎩')
        assert rejected(field, 'a')

    @pytest.mark.parametrize('value', [5, 1.5, True, [], {}, None])
    def test_rejects_values_that_are_not_text(self, value):
        assert rejected(Text(max=20), value)

    def test_applies_additional_validators_as_well(self):
        def no_boats(text):
            if 'boat' in text:
                raise ValidationError('No boats.')

        field = Text(max=20, validate=[no_boats])

        assert field.deserialize('car') == 'car'
        assert rejected(field, 'boat')
        assert rejected(field, 'c' * 21)


class TestEmailAddress:
    def test_normalizes_the_domain_to_lower_case(self):
        assert EmailAddress().deserialize('Ada@EXAMPLE.com') == 'Ada@example.com'

    @pytest.mark.parametrize('value', ['ada', 'ada@', 5, None, 'a@b.c\nBcc: d@e.f'])
    def test_rejects_invalid_email_addresses(self, value):
        assert rejected(EmailAddress(), value)

    def test_names_the_fault(self):
        with pytest.raises(ValidationError, match='Not a valid email address'):
            EmailAddress().deserialize('ada')


class TestPassword:
    @pytest.mark.parametrize(
        'password', [' ', 'a' * 128, '🎩', '\0\n', 'e\N{COMBINING ACUTE ACCENT}']
    )
    def test_accepts_a_password_exactly_as_typed(self, password):
        assert Password().deserialize(password) == password

    def test_enforces_a_minimum_and_a_maximum_length(self):
        assert rejected(Password(), '')
        assert rejected(Password(), 'a' * 129)
        assert rejected(Password(min=8), 'a' * 7)
        assert Password(min=8).deserialize('a' * 8)

    def test_is_documented_as_a_password(self):
        assert Password().metadata == {'format': 'password', 'writeOnly': True}


class TestTimestamp:
    @pytest.mark.parametrize(
        ('moment', 'text'),
        [
            (NOON, '2026-11-23T12:00:00Z'),
            (NOON + timedelta(microseconds=5), '2026-11-23T12:00:00.000005Z'),
            (NOON.astimezone(timezone(timedelta(hours=1))), '2026-11-23T12:00:00Z'),
            (None, None),
        ],
    )
    def test_serializes_in_utc(self, moment, text):
        assert Timestamp().serialize('at', {'at': moment}) == text

    def test_deserializes_to_utc(self):
        moment = Timestamp().deserialize('2026-11-23T13:00:00+01:00')

        assert moment == NOON
        assert moment.tzinfo is UTC

    @pytest.mark.parametrize('value', ['soon', '2030-01-01', '9999-12-31T23:59:59Z', 5, [], {}])
    def test_rejects_values_that_are_not_timestamps(self, value):
        assert rejected(Timestamp(), value)

    @settings(max_examples=150, deadline=None)
    @given(text=st.one_of(st.from_regex(RFC3339_PATTERN, fullmatch=True), MOMENT_TEXTS))
    def test_accepts_only_times_that_other_code_can_represent(self, text):
        try:
            moment = Timestamp().deserialize(text)
        except ValidationError:
            return

        assert moment - MAX_LIFETIME < moment < moment + MAX_LIFETIME
        shown = Timestamp().serialize('at', {'at': moment})
        assert loads(to_json(moment)) == shown
        assert Timestamp().deserialize(shown) == moment
        assert format_datetime(moment, usegmt=True).endswith('GMT')
        for hours in (-23, 23):
            assert moment.astimezone(timezone(timedelta(hours=hours))) == moment


class TestOtpCode:
    @pytest.mark.parametrize('pin', ['000000', '000042', '999999'])
    def test_keeps_leading_zeros(self, pin):
        assert OtpCode().deserialize(pin) == pin
        assert OtpCode().serialize('pin', {'pin': pin}) == pin

    @pytest.mark.parametrize(
        'value',
        [
            42, 123456, 123456.0, True, None, [], {}, '', '12345', '1234567', '12345a', ' 12345',
            '12345\n', '+12345', '٠١٢٣٤٥', '１２３４５６', '²²²²²²', '12 345',
        ],
    )  # fmt: skip
    def test_rejects_values_other_than_text_of_six_ascii_digits(self, value):
        assert rejected(OtpCode(), value)
        assert rejected(PinCode(), value)

    def test_rejects_a_pin_from_a_mail(self):
        assert rejected(OtpCode(), 'ABCD-EFGH-IJKL-MN23')


class TestPinCode:
    @pytest.mark.parametrize(
        'pin', ['000042', 'ABCD-EFGH-IJKL-MN23', 'abcdefghijklmn23', 'ABCDEFGH-ijklMN23']
    )
    def test_accepts_six_digits_and_a_code_in_any_case(self, pin):
        assert PinCode().deserialize(pin) == pin

    @pytest.mark.parametrize(
        'value',
        [
            'ABCD-EFGH-IJKL-MN2', 'ABCD-EFGH-IJKL-MN234', 'ABCD--EFGH-IJKL-MN23',
            'ABC-DEFGHIJKLMN23', 'ABCD-EFGH-IJKL-MN01', 'ABCD-EFGH-IJKL-MN23\n',
            'ABCD EFGH IJKL MN23', 'ABCD-EFGH-IJKL-MN2\N{LATIN SMALL LETTER LONG S}',
        ],
    )  # fmt: skip
    def test_rejects_malformed_codes(self, value):
        assert rejected(PinCode(), value)


class TestUploadedFile:
    def test_accepts_a_file(self):
        file = FileStorage(BytesIO(b'hello'), 'a.txt')

        assert UploadedFile().deserialize(file) is file

    def test_rejects_text(self):
        assert rejected(UploadedFile(), 'hello')


class TestCommaSeparated:
    @pytest.mark.parametrize(
        ('text', 'words'),
        [('red,green', ['red', 'green']), (' red , ,green,', ['red', 'green']), ('', [])],
    )
    def test_splits_the_words(self, text, words):
        assert CommaSeparated(fields.Str(), max_words=3).deserialize(text) == words

    def test_rejects_a_word_that_the_inner_field_rejects(self):
        with pytest.raises(ValidationError) as error:
            CommaSeparated(Text(max=3), max_words=3).deserialize('red,green')
        assert list(error.value.messages) == [1]

    def test_rejects_more_words_than_the_maximum(self):
        assert CommaSeparated(fields.Str(), max_words=2).deserialize('a,b') == ['a', 'b']
        assert rejected(CommaSeparated(fields.Str(), max_words=2), 'a,b,c')

    def test_returns_an_empty_list_when_it_is_not_sent(self):
        assert CommaSeparated(fields.Str(), max_words=2).deserialize(missing) == []

    @pytest.mark.parametrize('value', [['red'], 5, {}])
    def test_rejects_values_that_are_not_text(self, value):
        assert rejected(CommaSeparated(fields.Str(), max_words=3), value)
