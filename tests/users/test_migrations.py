"""Migrations of the feature `users` that change data."""

import pytest
from sqlalchemy import NullPool, create_engine, select

from project.core.database.migrations.folders import script_directory
from project.core.database.migrations.recording import run_on_connection
from project.core.database.session import db
from project.users.models import User
from project.users.service import delete_user
from tests.separate_app import migrated_application, run_on

from .factories import AdminFactory, UserFactory


@pytest.fixture
def run_migrated(tmp_path):
    """Return a function that runs `flask db …` on a migrated database."""
    with migrated_application(tmp_path, 'migrations') as app:
        yield run_on(app)


class TestClosedAccounts:
    """Deleted users whose data is still being erased: older releases do not know their status."""

    @pytest.mark.slow('migrates to an earlier version and back')
    def test_are_disabled_after_a_downgrade_and_closed_after_the_next_upgrade(self, run_migrated):
        closed = UserFactory()
        UserFactory(username='bob', status='disabled')
        AdminFactory(username='ada')
        delete_user(closed.id)
        rows = select(User.username, User.status).order_by(User.username)
        before = db.session.execute(rows).all()
        assert before == [('ada', 'active'), ('bob', 'disabled'), (f'~{closed.id}', 'deleted')]
        db.session.remove()

        run_migrated('downgrade', 'users@4c1f8ad92e60')

        found = dict(map(tuple, db.session.execute(rows)))
        assert found == {'ada': 'active', 'bob': 'disabled', f'~{closed.id}': 'disabled'}
        db.session.remove()

        run_migrated('upgrade')

        assert db.session.execute(rows).all() == before


class TestIds:
    """Ids of users in SQLite databases whose table an earlier migration copied incompletely."""

    STATEMENTS = (
        'CREATE TABLE users (id INTEGER NOT NULL, username TEXT, PRIMARY KEY (id))',
        "INSERT INTO users VALUES (4, 'ada'), (7, 'bob')",
        'CREATE TABLE files (owner_id INTEGER REFERENCES users (id))',
        'INSERT INTO files VALUES (4)',
        'CREATE TABLE users_role_permissions '
        '(name TEXT, CONSTRAINT pk_users_role_definitions PRIMARY KEY (name))',
    )

    def test_are_never_used_again_after_an_upgrade(self, app):
        with app.app_context():
            module = script_directory().get_revision('5b7e21c9d40a').module
        # Without a pool, the engine closes the connection at the end of the block.
        engine = create_engine('sqlite://', poolclass=NullPool)
        with engine.connect() as connection:
            execute = connection.exec_driver_sql
            for statement in self.STATEMENTS:
                execute(statement)

            run_on_connection(module.upgrade, connection)

            execute('DELETE FROM users WHERE id = 7')
            execute("INSERT INTO users (username) VALUES ('eve')")
            assert execute('SELECT id, username FROM users').all() == [(4, 'ada'), (8, 'eve')]
            assert execute('PRAGMA foreign_key_check').all() == []
