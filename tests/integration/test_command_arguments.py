"""Every command ends without a traceback, whatever its arguments are."""

import click
import pytest

# A file name or argument in another encoding than UTF-8, a number that no column can contain, and
# texts without a meaning.
HOSTILE = ('\udcff', '9' * 30, '', '-', '日本 \u202e\x1b[31m', "'; --")

# Commands that do not end by themselves, or change files of the repository or all tables.
NOT_RUN = {'run', 'shell', 'db', 'feature', 'api', 'jobs work', 'doctor'}


def leaves(group, *path):
    """Yield the words and the object of each command below a group."""
    for name, command in sorted(group.commands.items()):
        words = (*path, name)
        if ' '.join(words) in NOT_RUN or (path and path[0] in NOT_RUN):
            continue
        if isinstance(command, click.Group):
            yield from leaves(command, *words)
        else:
            yield words, command


def arguments_of(command, value):
    """Return words that pass a value as each argument and as each option of a command."""
    words = []
    for param in command.params:
        if isinstance(param, click.Option) and not param.is_flag and param.name != 'help':
            words.append(f'{param.opts[-1]}={value}')
    return [*words, '--', *(value for p in command.params if isinstance(p, click.Argument))]


class TestEveryCommand:
    @pytest.mark.parametrize('value', HOSTILE)
    def test_reports_hostile_arguments_without_a_traceback(
        self, app, cli, value, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)  # Some of the arguments are names of files to write.
        failed = []
        for words, command in leaves(app.cli):
            for only_arguments in (False, True):
                given = arguments_of(command, value)
                if only_arguments:
                    given = given[given.index('--') :]
                result = cli.invoke(args=[*words, *given])
                if not isinstance(result.exception, SystemExit | None):
                    failed.append((words, given, repr(result.exception)))

        assert failed == []
