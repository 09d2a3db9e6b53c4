"""Migrations of the features `auth` and `users` that change data."""

import pytest
from sqlalchemy import text

from project.core.database.session import db
from tests.separate_app import application, run_on


@pytest.fixture
def run(tmp_path):
    """Return a function that runs `flask db …` on an empty database."""
    with application(tmp_path, 'migrations') as app:
        yield run_on(app)


class TestEmailKeys:
    """The migrations that compute `email_key` again, with the ASCII form (IDNA) of domains."""

    ADDRESSES = (
        ('ada@bücher.example', 'ada@bücher.example', 'ada@xn--bcher-kva.example'),
        ('Bob@straße.test', 'bob@strasse.test', 'bob@xn--strae-oqa.test'),
        ('cyd@example.com', 'cyd@example.com', 'cyd@example.com'),
        ('straße@example.com', 'strasse@example.com', 'strasse@example.com'),
    )
    TABLES = ('users', 'auth_registrations', 'auth_email_changes', 'auth_invitations')

    @pytest.fixture
    def execute(self, run):
        """Migrate to the revisions before these migrations; return a function that runs SQL."""
        run('upgrade', 'users@9e40c7a2b3d6')
        run('upgrade', 'auth@d27e5b9c1f48')

        def execute(sql, **values):
            with db.engine.connect() as connection, connection.begin():
                result = connection.execute(text(sql), values)
                return result.all() if result.returns_rows else []

        return execute

    def insert(self, execute, user_id, email, key):
        """Insert a row with this email address into each table."""
        values = {'id': user_id, 'email': email, 'key': key, 'at': '2026-11-29 12:00:00+00:00'}
        for sql in (
            'INSERT INTO users (id, username, email, email_key, name, bio, status, version,'
            " created_at, updated_at) VALUES (:id, 'user' || CAST(:id AS INTEGER), :email, :key,"
            " '', '', 'active', 1, :at, :at)",
            'INSERT INTO auth_registrations (username, email, email_key, name, password_hash,'
            " created_at, expires_at) VALUES ('waiting' || CAST(:id AS INTEGER), :email, :key, '',"
            " '', :at, :at)",
            'INSERT INTO auth_email_changes (user_id, email, email_key, expires_at)'
            ' VALUES (:id, :email, :key, :at)',
            'INSERT INTO auth_invitations (email_key, email, roles, code_hmac, attempts_left,'
            " created_at, expires_at) VALUES (:key, :email, '', 'x', 5, :at, :at)",
            'INSERT INTO auth_pins (purpose, email_key, code_hmac, attempts_left, expires_at)'
            " VALUES ('reset', :key, 'x', 5, :at)",
        ):
            execute(sql, **{name: value for name, value in values.items() if f':{name}' in sql})

    def keys(self, execute, table):
        """Return the `email_key` of each row of a table, by the email address of the row."""
        return dict(map(tuple, execute(f'SELECT email, email_key FROM {table}')))

    @pytest.mark.slow('runs all migrations')
    def test_are_recomputed_by_the_upgrade_and_restored_by_the_downgrade(self, run, execute):
        for number, (email, old, _) in enumerate(self.ADDRESSES, 1):
            self.insert(execute, number, email, old)

        run('upgrade')

        for table in self.TABLES:
            assert self.keys(execute, table) == {email: new for email, _, new in self.ADDRESSES}
        pins = {key for (key,) in execute('SELECT email_key FROM auth_pins')}
        # straße.test and strasse.test had the same old key. The PIN may belong to either, so it
        # keeps this key.
        assert pins == {old if 'bob' in old else new for _, old, new in self.ADDRESSES}

        run('downgrade', 'auth@d27e5b9c1f48')
        run('downgrade', 'users@9e40c7a2b3d6')

        for table in self.TABLES:
            assert self.keys(execute, table) == {email: old for email, old, _ in self.ADDRESSES}
        assert {key for (key,) in execute('SELECT email_key FROM auth_pins')} == {
            old for _, old, _ in self.ADDRESSES
        }

    @pytest.mark.slow('runs all migrations')
    def test_stay_unchanged_for_the_later_of_two_users_with_the_same_new_key(
        self, run, execute, capsys
    ):
        self.insert(execute, 3, 'ada@bücher.example', 'ada@bücher.example')
        self.insert(execute, 7, 'ada@xn--bcher-kva.example', 'ada@another-key.example')

        printed = run('upgrade') + capsys.readouterr().out

        assert self.keys(execute, 'users') == {
            'ada@bücher.example': 'ada@xn--bcher-kva.example',
            'ada@xn--bcher-kva.example': 'ada@another-key.example',
        }
        assert 'Users 3 and 7 have the same email address: user 7 keeps the old key' in printed
