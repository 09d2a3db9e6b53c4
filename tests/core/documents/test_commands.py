"""Tables of commands."""

import click
import pytest

from project.core.documents.commands import command_rows
from project.core.documents.files import all_owners


@pytest.fixture
def rows(app):
    """Return the owner and the table row of each command, by command."""
    with app.app_context():
        return {row[0]: (owner, *row[1:]) for owner, row in command_rows(all_owners())}


class TestCommandRows:
    def test_contain_arguments_help_and_options_with_defaults(self, rows):
        assert rows['`flask jobs list`'] == (
            'core',
            'List unfinished tasks, including dead letters, oldest first.',
            '`--state`, `--name`, `--limit` (50), `--json`',
        )

    def test_contain_nested_groups_and_required_options(self, rows):
        owner, _, options = rows['`flask users create USERNAME`']

        assert (owner, options.split(', ')[0]) == ('users', '`--email` (required)')
        assert rows['`flask users roles`'][0] == 'users'
        assert rows['`flask users roles delete NAME`'][0] == 'users'

    def test_contain_only_the_first_paragraph_of_the_help(self, rows):
        assert rows['`flask users delete USER`'][1] == 'Delete a user and all their data.'

    def test_assign_commands_to_the_package_that_defines_them(self, rows):
        assert rows['`flask users list`'][0] == 'users'
        assert rows['`flask jobs work`'][0] == rows['`flask config show`'][0] == 'core'
        assert rows['`flask secret-key`'][0] == 'core'
        assert rows['`flask routes`'][0] is None

    def test_contain_no_command_twice(self, app):
        names = [row[0] for _, row in command_rows(all_owners())]

        assert len(names) == len(set(names))

    def test_omit_hidden_options_and_empty_defaults(self, app, monkeypatch):
        options = [
            click.Option(['--secret'], hidden=True),
            click.Option(['--name'], default=''),
            click.Option(['-c', '--count'], default=3),
        ]
        command = click.Command('boats', callback=lambda: None, params=options)
        monkeypatch.setitem(app.cli.commands, 'boats', command)

        rows = {row[0]: row for _, row in command_rows(all_owners())}

        assert rows['`flask boats`'] == ('`flask boats`', '', '`--name`, `--count` (3)')
