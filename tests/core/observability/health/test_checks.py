"""The health checks of `project.core`."""

from alembic.script import ScriptDirectory
from sqlalchemy import event, text

from project.core.checks import checks
from project.core.database.session import atomic, db
from project.core.database.shared_values import find_value
from project.core.database.write_probe import PROBE_NAME
from project.core.observability.health import Readiness, run_checks
from project.core.observability.health.checks import (
    check_database,
    check_migrations,
)
from tests.service import free_port


class TestCheckDatabase:
    def test_writes_to_the_database(self, service):
        with service.app_context():
            assert check_database().state == 'ok'
            assert find_value(PROBE_NAME)

    def test_is_read_only_when_it_accepts_no_writes(self, service):
        with service.app_context():
            db.engine.dispose()
            event.listen(db.engine, 'connect', lambda own, _: own.execute('PRAGMA query_only = ON'))

            found = check_database()

        assert found.state == 'read_only'
        assert 'readonly database' in found.reason

    def test_is_full_when_no_row_can_be_added(self, service):
        with service.app_context():
            db.engine.dispose()
            event.listen(
                db.engine, 'connect', lambda own, _: own.execute('PRAGMA max_page_count = 1')
            )

            assert check_database().state == 'full'

    def test_is_ok_before_the_first_migration(self, kernel, tmp_path):
        app = kernel(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/db')

        with app.app_context():
            assert check_database().state == 'ok'


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

    def test_is_behind_when_one_branch_is_behind_and_another_is_ahead(self, service, monkeypatch):
        heads = ScriptDirectory.get_heads
        with service.app_context():
            # Alembic stores no revision on which a stored one depends.
            with db.engine.connect() as connection:
                stored = connection.scalar(text('SELECT min(version_num) FROM alembic_version'))
            # Remove a head, as if the code had a newer migration after it: in this branch the
            # database is behind.
            monkeypatch.setattr(
                ScriptDirectory, 'get_heads', lambda self: sorted({*heads(self)} - {stored})
            )
            advance()

            assert check_migrations().state == 'behind'

    def test_is_unknown_when_the_database_does_not_respond(self, kernel):
        app = kernel(SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none')

        with app.app_context():
            assert check_migrations().state == 'unknown'


def advance():
    """Add an unknown migration version, as if a newer release had migrated the database."""
    with atomic():
        db.session.execute(text("INSERT INTO alembic_version VALUES ('of-tomorrow')"))
    db.session.remove()


class TestCheckRedis:
    def test_is_down_when_redis_rejects_connections(self, kernel, only):
        app = kernel(REDIS_URL=f'redis://127.0.0.1:{free_port()}')
        only(redis=checks.values['redis'])

        found = run_checks(app)['redis']

        assert (found.state, found.severity) == ('down', 'degraded')
        assert 'ConnectionError' in found.result.reason

    def test_is_not_evaluated_without_a_redis_url(self, kernel):
        assert 'redis' not in Readiness(kernel(REDIS_URL='')).checks
