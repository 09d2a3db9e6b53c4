"""Task arguments as JSON in the database. Secret arguments are stored encrypted."""

import json
import math
from datetime import date
from decimal import Decimal
from html import escape
from urllib.parse import quote, quote_plus
from uuid import uuid4

import pytest

from project.core.tasks.errors import IncompatibleTask
from project.core.tasks.registry import require_task
from project.core.tasks.serialization import (
    MAX_ARGUMENTS_BYTES,
    deserialize,
    redact,
    redacted_arguments,
    serialize,
    unique_key,
)
from tests.tasks import task

pytestmark = pytest.mark.usefixtures('no_tasks')

PIN = '012345'


def mail(to, pin=None, count=1):
    """Accept an email address, a secret and a number, and do nothing."""


@pytest.fixture
def mailing():
    """Return `mail` as a task with a secret argument."""
    return require_task(task(name='mail', encrypted=['pin'], unique=['to'])(mail))


@pytest.fixture
def plain():
    """Return `mail` as a task without secret arguments."""
    return require_task(task(name='plain')(mail))


class TestSerialize:
    def test_binds_arguments_and_adds_defaults(self, plain):
        text, encrypted = serialize(plain, ('ada',), {'count': 2})

        assert json.loads(text) == {'to': 'ada', 'pin': None, 'count': 2}
        assert encrypted is None

    def test_encrypts_secrets_separately(self, mailing):
        text, encrypted = serialize(mailing, ('ada', PIN), {})

        assert json.loads(text) == {'to': 'ada', 'count': 1}
        assert PIN.encode() not in encrypted
        assert deserialize(mailing, text, encrypted) == {'to': 'ada', 'pin': PIN, 'count': 1}

    def test_rejects_arguments_that_the_function_does_not_accept(self, plain):
        with pytest.raises(TypeError, match='unexpected keyword argument'):
            serialize(plain, (), {'to': 'ada', 'cc': 'eve'})

    @pytest.mark.parametrize(
        'value',
        [
            {'a': [1, 2.5, True, None, 'ä\0\N{TOP HAT}']},
            '',
            [],
            10**30,
        ],
    )
    def test_accepts_values_that_deserialize_to_the_same(self, plain, value):
        text, encrypted = serialize(plain, (value,), {})

        assert deserialize(plain, text, encrypted)['to'] == value
        assert text.isascii()

    @pytest.mark.parametrize(
        'value',
        [
            (1, 2),
            {1: 'one'},
            {'deep': [{'inside': (1,)}]},
            {1, 2},
            math.nan,
            math.inf,
            b'bytes',
            uuid4(),
            Decimal(1),
            date(2026, 11, 23),
            object(),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_rejects_values_that_deserialize_to_something_else(self, plain, mailing, value):
        with pytest.raises(TypeError):
            serialize(plain, (value,), {})
        with pytest.raises(TypeError):
            serialize(mailing, ('ada', value), {})

    def test_rejects_a_circular_reference(self, plain):
        circular = []
        circular.append(circular)

        with pytest.raises(TypeError, match='not JSON'):
            serialize(plain, (circular,), {})

    def test_accepts_at_most_64_kib(self, plain):
        spare = MAX_ARGUMENTS_BYTES - len(serialize(plain, ('',), {})[0])

        assert len(serialize(plain, ('x' * spare,), {})[0]) == 64 * 1024

        with pytest.raises(ValueError, match='larger than 64 KiB'):
            serialize(plain, ('x' * (spare + 1),), {})
        # The limit applies to the JSON text, in which `ä` takes six bytes.
        with pytest.raises(ValueError, match='larger than 64 KiB'):
            serialize(plain, ('ä' * (spare // 6 + 1),), {})

    def test_counts_plain_and_secret_arguments_together(self, mailing):
        with pytest.raises(ValueError, match='larger than 64 KiB'):
            serialize(mailing, ('x' * 40_000, 'y' * 30_000), {})


class TestDeserialize:
    def test_rejects_an_argument_that_the_function_no_longer_accepts(self, plain):
        with pytest.raises(IncompatibleTask, match=r"do not match the function: .*'cc'"):
            deserialize(plain, '{"to":"ada","cc":"eve"}', None)

    def test_rejects_arguments_without_a_new_required_one(self, plain):
        with pytest.raises(IncompatibleTask, match=r'do not match the function: missing .*to'):
            deserialize(plain, '{}', None)

    def test_decrypts_secrets_of_a_fallback_key(self, mailing, app, monkeypatch):
        old = app.config['SECRET_KEY']
        text, encrypted = serialize(mailing, ('ada', PIN), {})
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another-' * 5)

        with pytest.raises(IncompatibleTask, match='encrypted under an unknown SECRET_KEY'):
            deserialize(mailing, text, encrypted)
        monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', [old])
        assert deserialize(mailing, text, encrypted)['pin'] == PIN


class TestUniqueKey:
    def test_returns_none_for_a_task_that_is_not_unique(self, plain):
        assert unique_key(plain, '{"to":"ada"}') is None

    def test_depends_only_on_the_unique_arguments(self, mailing):
        keys = [
            unique_key(mailing, serialize(mailing, args, {})[0])
            for args in (('ada', PIN), ('ada', None, 7), ('eve', PIN))
        ]

        assert keys[0] == keys[1] != keys[2]

    def test_does_not_depend_on_the_order_of_keys(self, mailing):
        keys = {
            unique_key(mailing, serialize(mailing, (to,), {})[0])
            for to in ({'a': 1, 'b': 2}, {'b': 2, 'a': 1})
        }

        assert len(keys) == 1


class TestRedactedArguments:
    def test_masks_secret_arguments(self, mailing):
        packed = serialize(mailing, ('ada', PIN), {})

        assert redacted_arguments(*packed, mailing) == {'to': 'ada', 'count': 1, 'pin': '***'}

    def test_contains_other_arguments(self, plain):
        assert redacted_arguments(*serialize(plain, ('ada',), {}), plain)['to'] == 'ada'

    def test_masks_the_secrets_of_an_unknown_task(self, mailing):
        packed = serialize(mailing, ('ada', PIN), {})

        assert redacted_arguments(*packed, None) == {'to': 'ada', 'count': 1, 'secrets': '***'}

    def test_masks_an_argument_that_became_secret_after_it_was_stored(self, plain, mailing):
        packed = serialize(plain, ('ada', PIN), {})

        assert packed[1] is None
        assert redacted_arguments(*packed, mailing) == {'to': 'ada', 'count': 1, 'pin': '***'}


class TestRedact:
    @pytest.mark.parametrize(
        ('pin', 'reason', 'masked'),
        [
            (PIN, 'wrong: 012345!', 'wrong: ***!'),
            ({'pins': [PIN, 77]}, '012345, 77 and 012345', '***, *** and ***'),
            (['ab', 'abcd'], 'abcd and ab', '*** and ***'),
            (42, 'it was 42', 'it was ***'),
            ('a\n"b\'', 'KeyError: ' + repr('a\n"b\''), "KeyError: '***'"),
            ([None, '', True, {}], 'None, True', 'None, True'),
            (None, 'None', 'None'),
        ],
    )
    def test_masks_secrets_in_an_error(self, mailing, pin, reason, masked):
        assert redact(reason, mailing, {'to': 'ada', 'pin': pin}) == masked

    @pytest.mark.parametrize(
        'form',
        [
            str,
            repr,
            lambda pin: repr(pin.encode()),
            json.dumps,
            lambda pin: json.dumps(pin, ensure_ascii=False),
            quote,
            lambda pin: quote(pin, safe=''),
            quote_plus,
            escape,
        ],
        ids=['text', 'repr', 'bytes', 'json', 'letters', 'path', 'part', 'query', 'html'],
    )
    @pytest.mark.parametrize('pin', ['p&ss "wörd"/<1>\'', 'line\nline\\', 'täg\0', PIN])
    def test_masks_every_encoding_of_a_secret(self, mailing, pin, form):
        redacted = redact(f'<{form(pin)}>', mailing, {'pin': pin})

        assert redacted in ('<***>', "<'***'>", '<"***">', "<b'***'>", '<b"***">')

    def test_masks_the_keys_of_a_secret_mapping(self, mailing):
        assert redact(f'KeyError: {PIN!r}', mailing, {'pin': {PIN: 1}}) == ("KeyError: '***'")

    @pytest.mark.parametrize('pin', ['half \ud800 letter', '\0', '\udcff'])
    def test_masks_secrets_that_the_database_would_reject(self, mailing, pin):
        assert redact(f'no {pin}!', mailing, {'pin': pin}) == 'no ***!'

    def test_keeps_plain_arguments_and_those_of_unknown_tasks(self, mailing):
        assert redact('ada', mailing, {'to': 'ada'}) == 'ada'
        assert redact('ada', None, {}) == 'ada'
