"""Parsers of environment variables, and variables whose values are in files."""

import pytest
from environs import ValidationError

from config import env


class TestText:
    def test_returns_the_variable(self, monkeypatch):
        monkeypatch.setenv('SOMETHING', 'here')

        assert env.text('SOMETHING', 'default') == 'here'

    @pytest.mark.parametrize('value', [None, ''])
    def test_returns_the_default_for_a_missing_or_empty_variable(self, monkeypatch, value):
        monkeypatch.delenv('SOMETHING', raising=False)
        if value is not None:
            monkeypatch.setenv('SOMETHING', value)

        assert env.text('SOMETHING', 'default') == 'default'

    @pytest.mark.parametrize('content', ['here', 'here\n', 'here\n\n'])
    def test_prefers_the_content_of_the_file(self, monkeypatch, tmp_path, content):
        (tmp_path / 'secret').write_text(content)
        monkeypatch.setenv('SOMETHING_FILE', str(tmp_path / 'secret'))
        monkeypatch.setenv('SOMETHING', 'elsewhere')

        assert env.text('SOMETHING') == 'here'

    def test_keeps_all_whitespace_of_a_file_except_trailing_newlines(self, monkeypatch, tmp_path):
        (tmp_path / 'secret').write_text('\u00a0 ü \t\n', encoding='utf-8')
        monkeypatch.setenv('SOMETHING_FILE', str(tmp_path / 'secret'))

        assert env.text('SOMETHING') == '\u00a0 ü \t'

    def test_rejects_a_missing_file_without_repeating_its_path(self, monkeypatch, tmp_path):
        monkeypatch.setenv('SOMETHING_FILE', str(tmp_path / 'nothing'))

        with pytest.raises(env.UnreadableVariable) as rejection:
            env.text('SOMETHING')

        assert str(rejection.value) == 'SOMETHING_FILE cannot be read: No such file or directory'

    def test_rejects_a_file_that_is_not_utf_8(self, monkeypatch, tmp_path):
        (tmp_path / 'secret').write_bytes(b'\xff\xfe')
        monkeypatch.setenv('SOMETHING_FILE', str(tmp_path / 'secret'))

        with pytest.raises(env.UnreadableVariable) as rejection:
            env.text('SOMETHING')

        assert str(rejection.value) == 'SOMETHING_FILE cannot be read: it is not UTF-8'


class TestParse:
    @pytest.mark.parametrize(
        ('reader', 'text', 'value'),
        [
            ('whole_number', '42', 42),
            ('whole_number', '007', 7),
            ('boolean', 'true', True),
            ('boolean', 'YES', True),
            ('boolean', '1', True),
            ('boolean', '0', False),
            ('boolean', 'off', False),
            ('words', ' a  b ', ['a', 'b']),
            ('host', 'localhost', 'localhost'),
            ('host', '0.0.0.0', '0.0.0.0'),
            ('host', '::1', '[::1]'),
            ('host', '[::]', '[::]'),
        ],
    )
    def test_returns_a_value(self, monkeypatch, reader, text, value):
        monkeypatch.setenv('IT', text)

        assert env.parse(reader, 'IT') == value

    @pytest.mark.parametrize(
        ('reader', 'text'),
        [
            ('whole_number', 'many'),
            ('whole_number', '1.5'),
            ('whole_number', '-1'),
            ('whole_number', '1_000'),
            ('whole_number', '\u0663'),
            ('whole_number', '1' * 5000),
            ('boolean', 'perhaps'),
            ('size', 'big'),
            ('size', 'GB'),
            ('size', '1.5GB'),
            ('size', '10XB'),
            ('size', '-1'),
            ('host', 'unix:/run/api.sock'),
            ('host', '/run/api.sock'),
            ('host', 'localhost:8000'),
            ('host', '::1]:80'),
            ('host', 'a b'),
        ],
    )
    def test_raises_for_malformed_text(self, monkeypatch, reader, text):
        monkeypatch.setenv('IT', text)

        with pytest.raises(ValueError, match='invalid'):
            env.parse(reader, 'IT')

    def test_raises_for_too_many_days(self, monkeypatch):
        monkeypatch.setenv('IT', '9' * 12)

        with pytest.raises(ValueError, match='invalid'):
            env.parse('duration', 'IT', unit='days')


class TestParseSize:
    @pytest.mark.parametrize(
        ('word', 'size'),
        [
            ('0', 0),
            ('1000', 1000),
            ('1000B', 1000),
            ('5k', 5000),
            ('5KB', 5000),
            ('5KiB', 5120),
            ('500MB', 500_000_000),
            ('2GiB', 2 * 1024**3),
            ('1T', 10**12),
        ],
    )
    def test_accepts_decimal_and_binary_units(self, word, size):
        assert env.parse_size(word) == size

    def test_raises_for_text_that_is_not_a_size(self):
        with pytest.raises(ValidationError):
            env.parse_size('much')


class TestParseDatabaseUrl:
    @pytest.mark.parametrize(
        ('given', 'meant'),
        [
            ('postgres://u:p@host/name', 'postgresql://u:p@host/name'),
            ('postgresql://u:p@host/name', 'postgresql://u:p@host/name'),
            ('sqlite:///var/a.sqlite', f'sqlite:///{env.ROOT}/var/a.sqlite'),
            ('sqlite:////srv/a.sqlite', 'sqlite:////srv/a.sqlite'),
            ('sqlite:///:memory:', 'sqlite:///:memory:'),
            ('sqlite://', 'sqlite://'),
            ('', ''),
        ],
    )
    def test_returns_the_form_that_sqlalchemy_expects(self, given, meant):
        assert env.parse_database_url(given) == meant
