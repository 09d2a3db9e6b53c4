"""Conversion of column values to JSON and to text, and back."""

import json
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.core.clock import MAX_LIFETIME
from project.core.value_codec import (
    FORMS,
    UnsupportedType,
    decode,
    display,
    encode,
    form_of,
)


class Color(Enum):
    RED = 'r'


class Size(IntEnum):
    LARGE = 3


class Word(StrEnum):
    YES = 'y'


NOON = datetime(2026, 11, 23, 12, 0, 0, 5, UTC)

# For each type: a value, its JSON form, and its text in the terminal.
VALUES = [
    (True, True, 'True'),
    (5, 5, '5'),
    (0.5, 0.5, '0.5'),
    ('ü', 'ü', 'ü'),
    (UUID(int=1), '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001'),
    (NOON, '2026-11-23T12:00:00.000005Z', '2026-11-23 12:00:00+00:00'),
    (NOON.replace(tzinfo=None), '2026-11-23T12:00:00.000005', '2026-11-23 12:00:00'),
    (date(2026, 11, 23), '2026-11-23', '2026-11-23'),
    (time(12, 30), '12:30:00', '12:30:00'),
    (timedelta(hours=1, minutes=30), 5400, '1:30:00'),
    (timedelta(microseconds=5), 0.000005, '0:00:00.000005'),
    (Decimal('12.50'), '12.50', '12.50'),
    (Decimal('1E+3'), '1000', '1000'),
    (b'\x00\xff', 'AP8=', 'AP8='),
    (Color.RED, 'RED', 'RED'),
    (Size.LARGE, 'LARGE', 'LARGE'),
    (Word.YES, 'YES', 'YES'),
    ({'a': [1, None]}, {'a': [1, None]}, '{"a": [1, null]}'),
    ([1, 2], [1, 2], '1 2'),
]

STRATEGIES = {
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(st.characters(codec='utf-8')),
    UUID: st.uuids(),
    datetime: st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=14))])),
    date: st.dates(),
    time: st.times(),
    timedelta: st.timedeltas(-MAX_LIFETIME, MAX_LIFETIME),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=4),
    bytes: st.binary(),
    Enum: st.sampled_from([Color.RED]),
    dict: st.dictionaries(st.text('abc'), st.integers(0, 9)),
    list: st.lists(st.integers(0, 9)),
}


class TestEncode:
    @pytest.mark.parametrize(('value', 'encoded', '_shown'), VALUES, ids=repr)
    def test_returns_the_json_form(self, value, encoded, _shown):
        found = encode(value)

        assert (found, type(found)) == (encoded, type(encoded))
        assert json.loads(json.dumps(found)) == encoded

    def test_encodes_nested_values(self):
        values = {'at': NOON, 'amounts': (Decimal('1.5'), None)}

        assert encode(values) == {
            'at': '2026-11-23T12:00:00.000005Z',
            'amounts': ['1.5', None],
        }

    def test_raises_for_a_type_without_a_form(self):
        with pytest.raises(UnsupportedType, match='object has no form'):
            encode([object()])


class TestDecode:
    def test_has_a_strategy_for_every_type(self):
        assert STRATEGIES.keys() == FORMS.keys()

    @pytest.mark.parametrize('of', STRATEGIES)
    def test_returns_the_encoded_value(self, of):
        @given(STRATEGIES[of])
        def check(value):
            kind = type(value) if of is Enum else of
            through_json = json.loads(json.dumps(encode(value)))
            assert decode(through_json, kind) == value

        check()

    @pytest.mark.parametrize('of', [*STRATEGIES.keys() - {Enum}, Color])
    def test_returns_only_values_of_the_requested_type(self, of):
        decoded = []
        for encoded in (None, 'x-', 5, True, [[]], {'a': 1}, 1.5, '9' * 400):
            with suppress(ValueError):
                decoded.append((encoded, decode(encoded, of)))

        # Several types can have the same form, but the result always has the requested type.
        assert [pair for pair in decoded if not isinstance(pair[1], of)] == []

    def test_raises_for_a_boolean_that_is_a_number(self):
        with pytest.raises(ValueError, match='not a int'):
            decode(True, int)


class TestDisplay:
    @pytest.mark.parametrize(('value', '_encoded', 'shown'), VALUES, ids=repr)
    def test_returns_text(self, value, _encoded, shown):
        assert display(value) == shown

    def test_returns_a_dash_for_none(self):
        assert display(None) == '-'
        assert display([None, 1]) == '- 1'

    def test_returns_any_other_value_as_text(self):
        assert display(1j) == '1j'


class TestFormOf:
    def test_prefers_the_most_specific_type(self):
        assert form_of(datetime) is not form_of(date)
        assert form_of(bool) is not form_of(int)
        assert form_of(Size) is form_of(Color)

    def test_raises_for_a_type_without_a_form(self):
        with pytest.raises(UnsupportedType, match='complex has no form'):
            form_of(complex)
