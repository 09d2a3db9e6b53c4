"""The health checks of `project.core`."""

from sqlalchemy import event

from project.core.checks import checks
from project.core.database.session import db
from project.core.database.shared_values import find_value
from project.core.database.write_probe import PROBE_NAME
from project.core.observability.health import Readiness, run_checks
from project.core.observability.health.checks import check_database
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


class TestCheckRedis:
    def test_is_down_when_redis_rejects_connections(self, kernel, only):
        app = kernel(REDIS_URL=f'redis://127.0.0.1:{free_port()}')
        only(redis=checks.values['redis'])

        found = run_checks(app)['redis']

        assert (found.state, found.severity) == ('down', 'degraded')
        assert 'ConnectionError' in found.result.reason

    def test_is_not_evaluated_without_a_redis_url(self, kernel):
        assert 'redis' not in Readiness(kernel(REDIS_URL='')).checks
