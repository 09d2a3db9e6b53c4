"""Declarations of settings. Each number is tested at its bounds and beyond them."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from config import settings
from config.base import Config
from config.production import ProductionConfig
from config.settings import Setting, declared_settings, mask_password, shortened
from project.core.clock import MAX_LIFETIME, now
from project.core.documents.files import all_owners
from tests.removed_features import is_removed_setting

from .environment import set_environment

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = declared_settings(ProductionConfig)
NUMBERS = {
    setting.variable: setting
    for setting in SETTINGS.values()
    if setting.variable and setting.kind.of in (int, timedelta)
}
NONSENSE = ('-1', 'x', '1.5', '1e3', '0x10', '\u0663', ' ', 'None', '9' * 30, '9' * 5000)
SHARED = {'APP_ENV', 'APP_CONFIG_FILE'}


def bounds_of(setting: Setting) -> tuple[int, int]:
    """Return the smallest and largest value that the error message of a setting names."""
    low, high = re.search(r'from (\d+) to (\d+)', setting.kind.wanted).groups()
    return int(low), int(high)


def reading_of(monkeypatch, setting, text):
    monkeypatch.setenv(setting.variable, text)
    return setting.read()


class TestNumbers:
    @pytest.mark.parametrize('variable', NUMBERS)
    def test_are_accepted_at_their_bounds(self, monkeypatch, variable):
        for number in bounds_of(NUMBERS[variable]):
            reading = reading_of(monkeypatch, NUMBERS[variable], str(number))

            assert (reading.fault, reading.source) == (None, 'environment')

    @pytest.mark.parametrize('variable', NUMBERS)
    def test_are_rejected_beyond_their_bounds_in_one_line(self, monkeypatch, variable):
        low, high = bounds_of(NUMBERS[variable])

        for text in (*NONSENSE, str(high + 1), *([str(low - 1)] if low else [])):
            fault = reading_of(monkeypatch, NUMBERS[variable], text).fault

            assert fault.startswith(f'{variable} must be a'), text
            assert len(fault) < 250, text
            assert len(fault.splitlines()) == 1, text

    @pytest.mark.parametrize('variable', NUMBERS)
    def test_are_the_default_if_the_variable_is_empty(self, monkeypatch, variable):
        reading = reading_of(monkeypatch, NUMBERS[variable], '')

        assert (reading.value, reading.source) == (NUMBERS[variable].default, 'default')
        assert NUMBERS[variable].kind.fault_of(reading.value) is None


class TestDurations:
    DURATIONS = [s for s in SETTINGS.values() if s.kind.of is timedelta]

    def test_are_bounded_by_the_longest_lifetime_of_the_clock(self):
        assert settings.MAX_DURATION == MAX_LIFETIME
        assert len(self.DURATIONS) > 0

    @pytest.mark.parametrize('setting', DURATIONS, ids=lambda setting: setting.key)
    def test_can_be_added_to_now_twice_and_subtracted_once(self, setting):
        longest = settings.MAX_DURATION

        assert setting.kind.fault_of(longest) is None
        assert setting.kind.fault_of(longest + timedelta(seconds=1)) is not None
        assert (now() + longest + longest).year < 9999
        assert (now() - longest).year > 1


class TestSizes:
    def test_fit_into_a_bigint_when_summed(self):
        sizes = [s for s in SETTINGS.values() if s.kind.reader == 'size']

        assert all(bounds_of(setting)[1] <= settings.MAX_BYTES for setting in sizes)
        assert 4 * settings.MAX_BYTES < 2**63


class Example:
    WORD = settings.text('a', 'A word.')
    KEY = settings.secret('A secret.')
    KEYS = settings.words('', 'Secrets.', is_secret=True)
    NAMES = settings.words('a b', 'Names.')
    HOSTS = settings.words('', 'Hosts.', is_optional=True)
    COUNT = settings.number(3, 1, 9, 'A count.')
    LIMIT = settings.size('1KB', 'A size.', high=5000)
    FREE = settings.size('', 'An optional size.')
    AGE = settings.duration('days', 7, 'An age.', variable='AGE_DAYS')
    FRESH = settings.duration('minutes', 10, 'A constant.', variable=None)
    ON = settings.switch(True, 'A switch.')
    COLOR = settings.choice('red', ('red', 'green', 'blue'), 'A color.')
    LEVEL = settings.choice('INFO', ('DEBUG', 'INFO'), 'A level.', upper=True)


EXAMPLE = declared_settings(Example)


class TestRead:
    @pytest.mark.parametrize(
        ('variable', 'text', 'value'),
        [
            ('WORD', 'b c', 'b c'),
            ('KEY', 'a\tb', 'a\tb'),
            ('NAMES', ' x  y ', ['x', 'y']),
            ('COUNT', '9', 9),
            ('LIMIT', '2KiB', 2048),
            ('FREE', '1MB', 1_000_000),
            ('AGE_DAYS', '1', timedelta(days=1)),
            ('ON', 'off', False),
            ('COLOR', 'blue', 'blue'),
            ('LEVEL', 'debug', 'DEBUG'),
        ],
    )
    def test_returns_the_parsed_variable(self, monkeypatch, variable, text, value):
        monkeypatch.setenv(variable, text)
        [setting] = [s for s in EXAMPLE.values() if s.variable == variable]

        assert setting.read() == settings.Reading(value, 'environment')
        assert getattr(Example, setting.key) == value

    def test_returns_the_default_without_a_variable(self, monkeypatch):
        for setting in EXAMPLE.values():
            monkeypatch.delenv(setting.variable or '-', raising=False)

        assert {key: setting.read().value for key, setting in EXAMPLE.items()} == {
            'WORD': 'a',
            'KEY': '',
            'KEYS': [],
            'NAMES': ['a', 'b'],
            'HOSTS': None,
            'COUNT': 3,
            'LIMIT': 1000,
            'FREE': None,
            'AGE': timedelta(days=7),
            'FRESH': timedelta(minutes=10),
            'ON': True,
            'COLOR': 'red',
            'LEVEL': 'INFO',
        }

    def test_reads_no_variable_for_a_constant(self, monkeypatch):
        monkeypatch.setenv('FRESH', '99')

        assert timedelta(minutes=10) == Example.FRESH

    def test_returns_a_file_as_the_source(self, monkeypatch, tmp_path):
        (tmp_path / 'word').write_text('b\n')
        monkeypatch.setenv('WORD_FILE', str(tmp_path / 'word'))

        assert EXAMPLE['WORD'].read() == settings.Reading('b', 'file')

    @pytest.mark.parametrize(
        ('variable', 'text', 'fault'),
        [
            ('WORD', 'a\nb', "WORD must be text on one line, and not 'a\\nb'"),
            ('WORD', 'a%00b', "WORD must be text on one line, and not 'a%00b'"),
            ('COUNT', '0', "COUNT must be a whole number from 1 to 9, and not '0'"),
            (
                'LIMIT',
                '6KB',
                "LIMIT must be a size such as 500MB, from 0 to 5000 bytes, and not '6KB'",
            ),
            (
                'AGE_DAYS',
                '0',
                "AGE_DAYS must be a whole number of days from 1 to 36500, and not '0'",
            ),
            ('ON', 'maybe', "ON must be true or false, and not 'maybe'"),
            ('COLOR', 'pink', "COLOR must be red, green or blue, and not 'pink'"),
            ('WORD_FILE', '/nowhere', 'WORD_FILE cannot be read: No such file or directory'),
        ],
    )
    def test_returns_the_default_and_a_fault_for_an_invalid_variable(
        self, monkeypatch, variable, text, fault
    ):
        monkeypatch.setenv(variable, text)
        name = variable.removesuffix('_FILE')
        [setting] = [s for s in EXAMPLE.values() if s.variable == name]

        assert setting.read() == settings.Reading(setting.default, 'default', fault)
        with pytest.raises(SystemExit) as rejection:
            getattr(Example, setting.key)
        assert str(rejection.value) == f'Refusing to start: {fault}. See .env.example.'


class TestFaultOf:
    @pytest.mark.parametrize(
        ('key', 'value'),
        [
            ('WORD', 'b'),
            ('NAMES', []),
            ('HOSTS', None),
            ('HOSTS', ['a']),
            ('COUNT', 1),
            ('LIMIT', 5000),
            ('FREE', None),
            ('AGE', timedelta(days=2)),
            ('FRESH', timedelta(minutes=1)),
            ('ON', False),
            ('COLOR', 'green'),
        ],
    )
    def test_returns_none_for_an_accepted_value(self, key, value):
        assert EXAMPLE[key].kind.fault_of(value) is None

    @pytest.mark.parametrize(
        ('key', 'value', 'fault'),
        [
            ('WORD', None, 'must be text on one line'),
            ('WORD', 5, 'must be text on one line'),
            ('WORD', 'a\nb', 'must be text on one line'),
            ('NAMES', 'a b', 'must be a list of texts'),
            ('NAMES', ['a', 5], 'must be a list of texts'),
            ('NAMES', None, 'must be a list of texts'),
            ('COUNT', 'two', 'must be a whole number from 1 to 9'),
            ('COUNT', 1.0, 'must be a whole number from 1 to 9'),
            ('COUNT', True, 'must be a whole number from 1 to 9'),
            ('COUNT', 10, 'must be a whole number from 1 to 9'),
            ('LIMIT', '5GB', 'must be a number of bytes from 0 to 5000'),
            ('LIMIT', None, 'must be a number of bytes from 0 to 5000'),
            ('AGE', 7, 'must be a timedelta of 1 to 36500 days'),
            ('AGE', timedelta(0), 'must be a timedelta of 1 to 36500 days'),
            ('ON', 1, 'must be True or False'),
            ('COLOR', 'pink', 'must be red, green or blue'),
        ],
    )
    def test_returns_a_fault_that_states_the_accepted_values(self, key, value, fault):
        assert EXAMPLE[key].kind.fault_of(value) == fault


class TestWithDefault:
    def test_changes_only_the_default_of_the_declaration(self, monkeypatch):
        class Other(Example):
            COLOR = settings.with_default(Example, 'COLOR', 'blue')

        assert Other.COLOR == 'blue'
        monkeypatch.setenv('COLOR', 'green')
        assert Other.COLOR == 'green'
        assert declared_settings(Other)['COLOR'].meaning == 'A color.'


class TestShown:
    @pytest.mark.parametrize(
        ('key', 'value', 'shown'),
        [
            ('KEY', 'hunter2', '***'),
            ('KEY', '', ''),
            ('KEYS', ['hunter2', 'hunter3'], ['***', '***']),
            ('WORD', 'redis://:hunter2@cache', 'redis://:***@cache'),
            ('AGE', timedelta(days=7), '7 days'),
            ('FRESH', timedelta(minutes=10), '10 minutes'),
            ('FRESH', timedelta(seconds=90), '0:01:30'),
            ('FREE', None, None),
            ('COUNT', 5, 5),
        ],
    )
    def test_masks_secrets(self, key, value, shown):
        assert EXAMPLE[key].shown(value) == shown


class TestMaskPassword:
    @pytest.mark.parametrize(
        ('text', 'masked'),
        [
            ('smtp://ada%40home:hunter2@mail:587?tls=on', 'smtp://ada%40home:***@mail:587?tls=on'),
            ('postgresql://ada:hun:ter@2/@db/api', 'postgresql://ada:***@db/api'),
            ('amqp://ada:hun://ter@mq', 'amqp://ada:***@mq'),
            ('ada:hunter2@db', 'ada:***@db'),
            ('redis://h/0?password=hunter2&db=1', 'redis://h/0?password=***&db=1'),
            ('postgresql://ada@db/api', 'postgresql://ada@db/api'),
            ('API <no-reply@example.com>', 'API <no-reply@example.com>'),
            ('file:///var/a@b', 'file:///var/a@b'),
        ],
    )
    def test_replaces_only_the_password(self, text, masked):
        assert mask_password(text) == masked


class TestShortened:
    def test_returns_one_line_of_limited_length(self):
        assert shortened('a\nb') == "'a\\nb'"
        assert len(shortened('9' * 5000)) < 70


class TestDescriptions:
    """`.env.example` must describe the settings of the core as declared.

    `flask api check` compares the pages of the features.
    """

    EXAMPLE = (ROOT / '.env.example').read_text(encoding='utf-8')
    ENTRY = re.compile(r'^((?:# .*\n)+)#?([A-Z][A-Z0-9_]+)=', re.MULTILINE)
    VARIABLES = {
        s.variable: s
        for s in SETTINGS.values()
        if s.variable
        and all_owners().of_setting(s.variable) == 'core'
        and not is_removed_setting(s.variable)
    }

    def entries(self):
        return {
            name: ' '.join(text.replace('# ', '').split())
            for text, name in self.ENTRY.findall(self.EXAMPLE)
        }

    def test_cover_all_settings_of_the_core_in_the_example(self):
        assert self.entries().keys() == self.VARIABLES.keys() | SHARED

    def test_begin_with_the_meanings_in_the_example(self):
        entries = self.entries()
        differing = {
            variable: entries[variable]
            for variable, setting in self.VARIABLES.items()
            if not entries[variable].startswith(setting.meaning)
        }

        assert differing == {}

    def test_have_accepted_values_in_the_example(self, monkeypatch):
        shown = dict(re.findall(r'^#?([A-Z][A-Z0-9_]+)=(.+)', self.EXAMPLE, re.MULTILINE))
        set_environment(monkeypatch, **{n: v for n, v in shown.items() if n not in SHARED})

        assert [s.read().fault for s in declared_settings(Config).values() if s.read().fault] == []

    def test_contain_no_secret_in_the_example(self):
        assert not re.search(r'^(SECRET_KEY|\w+_FALLBACKS)=.', self.EXAMPLE, re.MULTILINE)
