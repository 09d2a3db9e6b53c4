"""The toolkit of commands: errors in one line, tables for people, JSON for programs."""

import io
import json
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import click
import pytest
from click.testing import CliRunner
from marshmallow import ValidationError
from sqlalchemy.exc import OperationalError, ProgrammingError

from project.core.cli.toolkit import (
    EmailAddress,
    FeatureGroup,
    Size,
    app_command,
    as_json,
    dry_run,
    limit_option,
    print_rows,
    with_progress,
)
from project.core.errors import Conflict, InsufficientStorage, ServiceUnavailable
from project.core.request_context import current_request_context

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class NameTaken(Conflict):
    field, reason = 'name', 'Already taken'


@pytest.fixture
def run(app, cli):
    """Return a function that runs any function as a `flask` command of a feature.

    The function is registered as the command `do` in the command group `boats`.
    """

    def invoke(function, *arguments):
        group = FeatureGroup('boats')
        command = function if isinstance(function, click.Command) else None
        if command is None:
            group.command('do')(function)
        else:
            group.add_command(command, 'do')
        return cli.invoke(group, ['do', *arguments])

    return invoke


def raiser(error):
    def do():
        raise error

    return do


class TestEmailAddress:
    def test_normalizes_the_email_address(self, run):
        @click.argument('address', type=EmailAddress())
        def do(address):
            click.echo(address)

        assert run(do, 'Ada@EXAMPLE.com').output == 'Ada@example.com\n'

    def test_rejects_an_invalid_email_address(self, run):
        result = run(click.argument('address', type=EmailAddress())(lambda address: None), 'ada')

        assert result.exit_code == 2
        assert "'ada' is not an email address" in result.stderr


class TestLimitOption:
    def test_defaults_to_50(self, run):
        do = click.command()(limit_option(lambda limit: click.echo(limit)))

        assert run(do).output == '50\n'
        assert run(do, '--limit', '1000000').output == '1000000\n'

    @pytest.mark.parametrize('text', ['0', '-1', '1000001', '9' * 30])
    def test_rejects_a_number_out_of_bounds(self, run, text):
        do = click.command()(limit_option(lambda limit: None))

        assert run(do, '--limit', text).exit_code == 2


class TestSize:
    @pytest.mark.parametrize(
        ('text', 'size'),
        [('0', 0), ('5gb', 5 * 10**9), ('512KiB', 2**19), ('001000', 1000), ('1048576TiB', 2**60)],
    )
    def test_returns_the_number_of_bytes(self, run, text, size):
        do = click.argument('size', type=Size())(lambda size: click.echo(size))

        assert run(do, text).output == f'{size}\n'

    @pytest.mark.parametrize(
        'text', ['', 'big', '1.5GB', '1048577TiB', '99999999999TB', '9' * 5000]
    )
    def test_rejects_an_invalid_or_too_large_size(self, run, text):
        result = run(click.argument('size', type=Size())(lambda size: None), text)

        assert result.exit_code == 2
        assert 'Invalid value for' in result.stderr


class TestErrorReportingMixin:
    @pytest.mark.parametrize(
        ('error', 'line'),
        [
            (NameTaken(), 'name: Already taken'),
            (ServiceUnavailable('the disk is gone'), 'the disk is gone'),
            (InsufficientStorage(), 'Insufficient Storage'),
            (PermissionError(13, 'Permission denied', '/a/b'), '/a/b: Permission denied'),
            (ConnectionRefusedError(111, 'Connection refused'), 'Connection refused'),
            (OSError('unknown mount'), 'unknown mount'),
            (TimeoutError(), 'TimeoutError'),
            (
                OperationalError('SELECT x', {}, Exception('no such table\nmore')),
                'no such table (is the database up, and upgraded?)',
            ),
            (
                ProgrammingError('SELECT x', {}, Exception('relation missing')),
                'relation missing (is the database up, and upgraded?)',
            ),
            (
                ValidationError({'name': ['Too long.', 'No.'], 'size': ['Small.']}),
                'name: Too long. No.; size: Small.',
            ),
        ],
    )
    def test_prints_the_error_in_one_line(self, run, error, line):
        result = run(raiser(error))

        assert result.exit_code == 1
        assert result.stdout == ''
        assert result.stderr == f'Error: {line}\n'

    @pytest.mark.parametrize('argument', ['\udcff', 'a\udcff\x1b'])
    def test_names_an_argument_that_is_not_utf_8(self, run, argument):
        do = click.argument('name')(lambda name: name.encode())

        result = run(do, argument)

        shown = argument.replace('\udcff', r'\xff').replace('\x1b', '\ufffd')
        assert (result.exit_code, result.stderr) == (1, f'Error: not UTF-8: {shown}\n')

    def test_does_not_catch_another_encoding_error(self, run):
        assert isinstance(run(lambda: '日'.encode('ascii')).exception, UnicodeEncodeError)

    def test_prints_any_character_in_any_encoding(self, app):
        group = FeatureGroup('boats')
        group.command('do')(lambda: click.echo('Zoë 日本'))

        result = app.test_cli_runner(charset='latin-1').invoke(group, ['do'])

        assert result.stdout == 'Zoë \\u65e5\\u672c\n'

    def test_prints_nothing_after_a_broken_pipe(self, run):
        result = run(raiser(BrokenPipeError(32, 'Broken pipe')))

        assert (result.exit_code, result.stderr) == (1, '')

    def test_does_not_catch_a_bug(self, run):
        assert isinstance(run(raiser(ZeroDivisionError())).exception, ZeroDivisionError)

    def test_sets_the_request_context(self, run):
        contexts = []

        assert run(lambda: contexts.append(current_request_context())).exit_code == 0
        assert (contexts[0].request_id, contexts[0].user_agent) == ('cli', 'flask')


class TestAppCommand:
    def test_creates_a_command_that_prints_errors_in_one_line(self, app, cli):
        @app_command('sink')
        def sink():
            """Sink it."""
            raise NameTaken

        result = cli.invoke(sink)

        assert sink.name == 'sink'
        assert (result.exit_code, result.stderr) == (1, 'Error: name: Already taken\n')


class TestDryRun:
    def test_is_off_by_default(self, run):
        do = click.command()(dry_run(lambda dry_run: click.echo(dry_run)))

        assert run(do).output == 'False\n'
        assert run(do, '--dry-run').output == 'True\n'


class TestAsJson:
    def test_is_off_by_default(self, run):
        do = click.command()(as_json(lambda as_json: click.echo(as_json)))

        assert run(do).output == 'False\n'
        assert run(do, '--json').output == 'True\n'


ROWS = [
    {'id': UUID(int=1), 'name': 'Ada', 'at': NOON, 'roles': ['admin', 'member'], 'hidden': 'x'},
    {'id': UUID(int=2), 'name': None, 'at': None, 'roles': [], 'hidden': 'x'},
]
COLUMNS = ('name', 'at', 'roles')


def shown(rows, columns=COLUMNS, **options):
    def do():
        print_rows(rows, columns, **{'as_json': False, **options})

    result = CliRunner().invoke(click.command()(do))
    assert result.exit_code == 0
    return result.output


class TestPrintRows:
    def test_prints_a_table(self):
        head, rule, first, second = shown(ROWS).splitlines()

        assert head.split() == ['name', 'at', 'roles']
        assert set(rule.strip()) == {'─'}
        assert first.split() == ['Ada', '2026-11-23', '12:00:00+00:00', 'admin', 'member']
        assert second.split() == ['-', '-']

    def test_prints_json_for_programs(self):
        assert json.loads(shown(ROWS, as_json=True)) == [
            {'name': 'Ada', 'at': '2026-11-23T12:00:00Z', 'roles': ['admin', 'member']},
            {'name': None, 'at': None, 'roles': []},
        ]

    def test_prints_values_of_all_column_types(self):
        row = {
            'day': date(2026, 11, 23), 'at': time(12, 30), 'took': timedelta(minutes=90),
            'price': Decimal('12.50'), 'digest': b'a', 'more': {'a': 1},
        }  # fmt: skip

        assert shown([row], tuple(row)).splitlines()[2].split() == [
            '2026-11-23', '12:30:00', '1:30:00', '12.50', 'YQ==', '{"a":', '1}',
        ]  # fmt: skip
        assert json.loads(shown([row], tuple(row), as_json=True, one=True)) == {
            'day': '2026-11-23', 'at': '12:30:00', 'took': 5400,
            'price': '12.50', 'digest': 'YQ==', 'more': {'a': 1},
        }  # fmt: skip

    def test_prints_a_single_row_as_an_object(self):
        assert json.loads(shown(ROWS[:1], ('name',), as_json=True, one=True)) == {'name': 'Ada'}

    def test_prints_only_the_header_without_rows(self):
        assert shown([]).splitlines()[0].split() == ['name', 'at', 'roles']
        assert json.loads(shown([], as_json=True)) == []

    def test_does_not_truncate_piped_output(self):
        long = 'x' * 500

        assert long in shown([{'name': long}], ('name',))

    @pytest.mark.parametrize('as_json', [True, False])
    def test_reports_that_the_limit_was_reached(self, as_json):
        command = click.command()(
            limit_option(lambda limit: print_rows(ROWS[:2], COLUMNS, as_json=as_json))
        )

        at_limit = CliRunner().invoke(command, ['--limit', '2'])
        below = CliRunner().invoke(command, ['--limit', '3'])

        assert at_limit.stderr == 'Stopped after 2 rows; --limit shows more.\n'
        assert below.stderr == ''

    def test_fits_a_terminal(self, monkeypatch):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        monkeypatch.setenv('COLUMNS', '40')
        monkeypatch.setenv('TERM', 'dumb')
        monkeypatch.setattr(sys, 'stdout', Terminal())
        print_rows([{'name': 'x' * 500}], ('name',), as_json=False)

        assert max(map(len, sys.stdout.getvalue().splitlines())) <= 80

    def test_prints_any_character_in_any_encoding(self):
        command = click.command()(lambda: print_rows([{'name': '日本'}], ('name',), as_json=False))

        result = CliRunner(charset='ascii').invoke(command)

        assert '\\u65e5\\u672c' in result.stdout

    def test_does_not_interpret_markup(self):
        assert '[red]Ada[/red]' in shown([{'name': '[red]Ada[/red]'}], ('name',))

    @pytest.mark.parametrize('char', ['\x1b', '\x9b', '\r', '\n', '\u202e', '\x07', '\u2028'])
    def test_replaces_control_characters(self, char):
        output = shown([{'name': f'a{char}[2Jb'}], ('name',))

        assert 'a\N{REPLACEMENT CHARACTER}[2Jb' in output
        assert len(output.splitlines()) == 3

    @pytest.mark.parametrize('char', ['\x1b', '\r', '\n', '\u202e'])
    def test_replaces_control_characters_in_lists(self, char):
        output = shown([{'name': [f'a{char}b']}], ('name',))

        assert char not in output.splitlines()[2]
        assert 'a\N{REPLACEMENT CHARACTER}b' in output


class TestWithProgress:
    def test_yields_the_items_and_prints_nothing_without_a_terminal(self, capsys):
        assert list(with_progress('Sweeping', iter(range(5)))) == [0, 1, 2, 3, 4]

        assert capsys.readouterr() == ('', '')

    def test_prints_a_counter_on_a_terminal(self, monkeypatch):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        monkeypatch.setenv('TERM', 'xterm')
        monkeypatch.setattr(sys, 'stderr', Terminal())

        assert list(with_progress('Sweeping', range(1234))) == list(range(1234))
        assert 'Sweeping 1,234' in sys.stderr.getvalue()
