"""Commands of `flask db`: defaults, and the commands that know the branches of the features."""

import pytest
from flask_migrate.cli import db as db_commands


class TestInitApp:
    @pytest.mark.parametrize('name', ['upgrade', 'stamp'])
    def test_defaults_to_the_heads_of_all_features(self, app, name):
        [argument] = [p for p in db_commands.commands[name].params if p.name == 'revision']

        assert argument.default == 'heads'

    def test_writes_migrations_that_also_run_on_sqlite(self, app):
        assert app.extensions['migrate'].configure_args['render_as_batch'] is True


class TestDowngrade:
    @pytest.mark.parametrize('arguments', [[], ['--', '-1']])
    def test_needs_the_name_of_a_feature(self, cli, arguments):
        result = cli.invoke(args=['db', 'downgrade', *arguments])

        assert result.exit_code == 2
        assert 'flask db downgrade FEATURE@-1' in result.stderr


class TestMerge:
    def test_changes_nothing_if_the_feature_has_one_head(self, app, cli):
        result = cli.invoke(args=['db', 'merge', 'users'])

        assert result.exit_code == 0
        assert result.stdout.startswith('users has one head, ')
        assert result.stdout.endswith(': there is nothing to merge.\n')

    def test_changes_nothing_without_a_feature(self, cli):
        result = cli.invoke(args=['db', 'merge'])

        assert result.exit_code == 0
        assert result.stdout == 'Each feature has one head: there is nothing to merge.\n'

    def test_rejects_revisions(self, cli):
        result = cli.invoke(args=['db', 'merge', 'heads'])

        assert result.exit_code == 2
        assert 'Heads of different features must not be joined.' in result.stderr
