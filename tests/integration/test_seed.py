"""`flask db seed`: the rows of all features."""

import pytest
from sqlalchemy import select

from project.core.database.session import db
from project.users.models import User


def error_of(result):
    """Return the message of a failed command without its prefix."""
    assert result.exit_code == 1
    return result.output.removeprefix('Error: ').strip()


class TestSeed:
    @pytest.mark.slow('creates 100 rows')
    def test_creates_users_and_is_rejected_the_second_time(self, cli):
        first, second = (cli.invoke(args=['db', 'seed', '--number', '2']) for _ in range(2))

        assert first.exit_code == 0, first.output
        usernames = set(db.session.scalars(select(User.username)))
        assert usernames >= {'ada', 'grace'}
        assert 'ada@example.com' in first.output
        assert error_of(second).startswith('the database was seeded at ')
        assert error_of(second).endswith('flask db reset --seed deletes all data and seeds again')

    def test_is_rejected_in_production(self, app, cli, monkeypatch):
        monkeypatch.setitem(app.config, 'TESTING', False)

        message = 'flask db seed works in development only (APP_ENV)'
        assert error_of(cli.invoke(args=['db', 'seed'])) == message

    def test_names_the_command_that_installs_the_factories(self, cli, monkeypatch):
        monkeypatch.setattr('project.core.development.seeding.find_spec', lambda name: None)

        assert error_of(cli.invoke(args=['db', 'seed'])) == (
            'the factories need factory-boy: make tools'
        )
