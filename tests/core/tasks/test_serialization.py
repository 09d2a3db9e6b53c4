"""Arguments as the outbox keeps them: JSON, the secret ones sealed apart."""

import json
import math
from datetime import date
from decimal import Decimal
from html import escape
from urllib.parse import quote, quote_plus
from uuid import uuid4

import pytest

from project.core.tasks import task
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

pytestmark = pytest.mark.usefixtures('no_tasks')

PIN = '012345'


def mail(to, pin=None, count=1):
    """Take an address, a secret and a number."""


@pytest.fixture
def mailing():
    """A task with a secret argument."""
    return require_task(task(name='mail', encrypted=['pin'], unique=['to'])(mail))


@pytest.fixture
def plain():
    """The same without a secret."""
    return require_task(task(name='plain')(mail))


class TestPack:
    def test_binds_and_fills_in_what_is_left_out(self, plain):
        text, sealed = serialize(plain, ('ada',), {'count': 2})

        assert json.loads(text) == {'to': 'ada', 'pin': None, 'count': 2}
        assert sealed is None

    def test_keeps_secrets_apart_and_encrypted(self, mailing):
        text, sealed = serialize(mailing, ('ada', PIN), {})

        assert json.loads(text) == {'to': 'ada', 'count': 1}
        assert PIN.encode() not in sealed
        assert deserialize(mailing, text, sealed) == {'to': 'ada', 'pin': PIN, 'count': 1}

    def test_rejects_arguments_that_the_function_does_not_take(self, plain):
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
    def test_takes_what_comes_back_as_it_was(self, plain, value):
        text, sealed = serialize(plain, (value,), {})

        assert deserialize(plain, text, sealed)['to'] == value
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
    def test_rejects_what_would_not(self, plain, mailing, value):
        with pytest.raises(TypeError):
            serialize(plain, (value,), {})
        with pytest.raises(TypeError):
            serialize(mailing, ('ada', value), {})

    def test_rejects_a_circle(self, plain):
        circle = []
        circle.append(circle)

        with pytest.raises(TypeError, match='no JSON'):
            serialize(plain, (circle,), {})

    def test_takes_64_kib_and_not_a_byte_more(self, plain):
        spare = MAX_ARGUMENTS_BYTES - len(serialize(plain, ('',), {})[0])

        assert len(serialize(plain, ('x' * spare,), {})[0]) == 64 * 1024

        with pytest.raises(ValueError, match='larger than 64 KiB'):
            serialize(plain, ('x' * (spare + 1),), {})
        # Counted as it is written: one such letter is six.
        with pytest.raises(ValueError, match='larger than 64 KiB'):
            serialize(plain, ('ä' * (spare // 6 + 1),), {})

    def test_counts_open_and_secret_ones_together(self, mailing):
        with pytest.raises(ValueError, match='larger than 64 KiB'):
            serialize(mailing, ('x' * 40_000, 'y' * 30_000), {})


class TestUnpack:
    def test_rejects_what_the_function_does_not_take_any_more(self, plain):
        with pytest.raises(IncompatibleTask, match=r"do not fit any more: .*'cc'"):
            deserialize(plain, '{"to":"ada","cc":"eve"}', None)

    def test_rejects_what_lacks_an_argument_that_is_new(self, plain):
        with pytest.raises(IncompatibleTask, match=r'do not fit any more: missing .*to'):
            deserialize(plain, '{}', None)

    def test_decrypts_what_an_older_key_encrypted_while_that_is_kept(
        self, mailing, app, monkeypatch
    ):
        old = app.config['SECRET_KEY']
        text, sealed = serialize(mailing, ('ada', PIN), {})
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another-' * 5)

        with pytest.raises(IncompatibleTask, match='encrypted under an unknown SECRET_KEY'):
            deserialize(mailing, text, sealed)
        monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', [old])
        assert deserialize(mailing, text, sealed)['pin'] == PIN


class TestKeyOf:
    def test_is_none_where_each_one_counts(self, plain):
        assert unique_key(plain, '{"to":"ada"}') is None

    def test_depends_on_the_arguments_that_are_compared_and_no_other(self, mailing):
        keys = [
            unique_key(mailing, serialize(mailing, args, {})[0])
            for args in (('ada', PIN), ('ada', None, 7), ('eve', PIN))
        ]

        assert keys[0] == keys[1] != keys[2]

    def test_depends_on_no_order(self, mailing):
        keys = {
            unique_key(mailing, serialize(mailing, (to,), {})[0])
            for to in ({'a': 1, 'b': 2}, {'b': 2, 'a': 1})
        }

        assert len(keys) == 1


class TestShown:
    def test_masks_what_is_encrypted(self, mailing):
        packed = serialize(mailing, ('ada', PIN), {})

        assert redacted_arguments(*packed, mailing) == {'to': 'ada', 'count': 1, 'pin': '***'}

    def test_shows_what_is_not(self, plain):
        assert redacted_arguments(*serialize(plain, ('ada',), {}), plain)['to'] == 'ada'

    def test_masks_the_secrets_of_a_task_that_is_unknown_by_now(self, mailing):
        packed = serialize(mailing, ('ada', PIN), {})

        assert redacted_arguments(*packed, None) == {'to': 'ada', 'count': 1, 'secrets': '***'}

    def test_masks_what_was_no_secret_yet_when_it_was_written_down(self, plain, mailing):
        packed = serialize(plain, ('ada', PIN), {})

        assert packed[1] is None
        assert redacted_arguments(*packed, mailing) == {'to': 'ada', 'count': 1, 'pin': '***'}


class TestWithoutSecrets:
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
    def test_masks_what_an_error_repeats(self, mailing, pin, reason, masked):
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
    def test_masks_every_form_in_which_an_error_may_repeat_it(self, mailing, pin, form):
        said = redact(f'<{form(pin)}>', mailing, {'pin': pin})

        assert said in ('<***>', "<'***'>", '<"***">', "<b'***'>", '<b"***">')

    def test_masks_the_keys_of_what_is_secret(self, mailing):
        assert redact(f'KeyError: {PIN!r}', mailing, {'pin': {PIN: 1}}) == ("KeyError: '***'")

    @pytest.mark.parametrize('pin', ['half \ud800 letter', '\0', '\udcff'])
    def test_survives_a_secret_that_is_no_text_for_a_database(self, mailing, pin):
        assert redact(f'no {pin}!', mailing, {'pin': pin}) == 'no ***!'

    def test_leaves_open_arguments_and_unknown_tasks_alone(self, mailing):
        assert redact('ada', mailing, {'to': 'ada'}) == 'ada'
        assert redact('ada', None, {}) == 'ada'
