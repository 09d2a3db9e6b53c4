"""The output of commands: to a full disk, to a closed file, and of any character."""

import errno
import sys
from pathlib import Path

import click
import pytest

from project.core.cli.output import WatchedOutput, print_any_character, watch_output
from tests.separate_app import application


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a command with another stdout; it returns code and stderr."""

    def run_command(function, stdout):
        group = click.Group('flask', callback=watch_output)
        group.command('do')(function)
        monkeypatch.setattr(sys, 'stdout', stdout)
        with pytest.raises(SystemExit) as ended:
            group.main(['do'])
        return ended.value.code, capsys.readouterr().err

    return run_command


@pytest.fixture(params=[True, False], ids=['buffered', 'unbuffered'])
def full_disk(request):
    """Yield a file that cannot be written, as stdout and as with PYTHONUNBUFFERED."""
    with Path('/dev/full').open('w') as full:
        if not request.param:
            full.reconfigure(write_through=True)
        yield full
        full.close()  # Once raised the error again, as the interpreter does at its end.


def fail():
    raise click.ClickException('no such boat')


class TestWatchOutput:
    @pytest.mark.parametrize(
        'function',
        [
            lambda: click.echo('boats'),
            lambda: sys.stdout.write('boats'),
            lambda: WatchedOutput().write('boats'),
            lambda: click.get_current_context().exit(sys.stdout.write('boats')),
        ],
        ids=['echo', 'write', 'alembic', 'exit'],
    )
    def test_reports_a_full_disk_in_one_line(self, run, full_disk, function):
        assert run(function, full_disk) == (1, 'Error: No space left on device\n')

    def test_keeps_other_errors(self, run, monkeypatch):
        class Stdout:
            def flush(self):
                raise OSError(errno.EBADF, 'Bad file descriptor')

        assert run(fail, sys.stdout) == (1, 'Error: no such boat\n')
        with pytest.raises(OSError, match='Bad file'):
            run(lambda: None, Stdout())

    def test_replaces_a_closed_file(self, run):
        def do():
            assert not sys.stdout.isatty()

        assert run(do, None) == (0, '')
        sys.stdout.close()

    def test_needs_no_command_line(self):
        watch_output()

    def test_includes_the_output_of_alembic(self, tmp_path, monkeypatch):
        monkeypatch.setattr(WatchedOutput, 'write', lambda *_: fail())

        with application(tmp_path, 'empty') as app:
            result = app.test_cli_runner().invoke(args=['db', 'heads'])

        assert (result.exit_code, result.output) == (1, 'Error: no such boat\n')


class TestPrintAnyCharacter:
    def test_prints_bytes_and_missing_characters_as_escapes(self, tmp_path, monkeypatch):
        path = tmp_path / 'out'
        with path.open('w', encoding='latin-1') as out:
            monkeypatch.setattr(sys, 'stdout', out)
            print_any_character()
            click.echo('Zoë 日本 \U0001f600 b\udcff\ud800')

        assert path.read_text(encoding='latin-1') == (
            'Zoë \\u65e5\\u672c \\U0001f600 b\\xff\\ud800\n'
        )
