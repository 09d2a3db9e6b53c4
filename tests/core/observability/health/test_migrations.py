"""The check of the migrations: for `/readyz`, and in detail for `flask doctor`."""

import pytest
from sqlalchemy import text

from project.core.database.session import atomic, db
from project.core.observability.health.migrations import (
    check_migrations,
    inspect_migrations,
    loaded_migrations,
    migration_findings,
    migration_state,
    pending_migrations,
)
from tests.planted_migrations import Migrations


@pytest.fixture
def planted(tmp_path):
    """Return migrations: `shelves` has one, and `books` has two."""
    found = Migrations(tmp_path)
    found.add('pass')
    return found


class TestCheckMigrations:
    def test_is_behind_in_a_database_that_was_never_migrated(self, kernel, tmp_path):
        app = kernel(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/db')

        with app.app_context():
            assert check_migrations().state == 'behind'

    def test_is_ahead_when_a_newer_version_has_migrated(self, service):
        with service.app_context():
            advance()

            assert check_migrations().state == 'ahead'
            assert check_migrations().details == {}

    def test_names_the_unknown_migration_in_development(self, service, monkeypatch):
        monkeypatch.setitem(service.config, 'DEVELOPMENT', True)
        with service.app_context():
            advance()

            found = check_migrations()

        assert found.state == 'ahead'
        assert 'migrations that this code lacks: of-tomorrow' in found.details['reason']

    def test_is_unknown_when_the_database_does_not_respond(self, kernel):
        app = kernel(SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none')

        with app.app_context():
            assert check_migrations().state == 'unknown'


def advance():
    """Replace a revision by an unknown one, as if a newer release had migrated the database."""
    with atomic():
        # Alembic stores no revision on which a stored one depends.
        head = db.session.scalar(text('SELECT min(version_num) FROM alembic_version'))
        db.session.execute(
            text(
                "UPDATE alembic_version SET version_num = 'of-tomorrow' WHERE version_num = :head"
            ),
            {'head': head},
        )
    db.session.remove()


class TestInspectMigrations:
    def test_is_ok_at_the_newest_versions(self, service):
        with service.app_context():
            assert [found.state for found in inspect_migrations()] == ['ok']

    def test_warns_if_a_newer_version_has_migrated(self, service):
        with service.app_context():
            advance()

            [found] = inspect_migrations()

            assert check_migrations().state == 'ahead'
        assert (found.state, found.fails_deploy) == ('warning', False)
        assert 'has migrations that this code lacks: of-tomorrow' in found.seen
        assert 'run the version of the code that has them' in found.seen


class TestMigrationState:
    @pytest.mark.parametrize(
        ('heads', 'state'),
        [
            ({'shelves0', 'books3'}, 'ok'),
            ({'shelves0', 'books0'}, 'behind'),
            ({'shelves0'}, 'behind'),
            (set(), 'behind'),
            ({'shelves0', 'of-tomorrow'}, 'ahead'),
            ({'books3', 'of-tomorrow'}, 'ahead'),
            ({'books0', 'of-tomorrow'}, 'behind'),
        ],
    )
    def test_compares_each_feature(self, planted, heads, state):
        assert migration_state(planted.script(), heads) == state


class TestMigrationFindings:
    def test_names_pending_and_unknown_revisions(self, planted):
        unknown, pending = migration_findings(
            planted.script(), {'books0', 'of-tomorrow'}, 'of-tomorrow is unknown'
        )

        assert (unknown.state, unknown.seen) == ('warning', 'of-tomorrow is unknown')
        assert (pending.state, pending.seen) == ('failed', 'pending: books books3')

    def test_names_the_heads_of_a_feature_that_has_several(self, planted):
        planted.add('pass')

        several, current = migration_findings(
            planted.script(), {'shelves0', 'books3', 'books4'}, None
        )

        assert several.state == 'failed'
        assert several.seen.startswith('versions/books: several heads: ')
        assert several.remedy == '`flask db merge books`'
        assert current.state == 'ok'


class TestPendingMigrations:
    def test_returns_all_in_their_order_for_an_empty_database(self, planted):
        found = pending_migrations(planted.script(), set())

        assert sorted(found) == ['books books0', 'books books3', 'shelves shelves0']
        assert found.index('books books0') < found.index('books books3')

    def test_returns_those_of_a_feature_that_the_database_lacks(self, planted):
        assert pending_migrations(planted.script(), {'books3'}) == ['shelves shelves0']

    def test_does_not_return_those_of_a_feature_whose_head_is_unknown(self, planted):
        found = pending_migrations(planted.script(), {'books0', 'of-tomorrow'})

        assert found == ['books books3']


class TestLoadedMigrations:
    def test_loads_the_files_once(self, service):
        with service.app_context():
            assert loaded_migrations() is loaded_migrations()
