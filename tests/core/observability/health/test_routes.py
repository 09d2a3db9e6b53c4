"""`/healthz` and `/readyz`."""

import pytest
from flask_migrate import stamp

from project.core.checks import CheckResult, HealthCheck
from project.core.database.session import db
from project.core.observability.health import Readiness
from tests.kit.responses import data

CRITICAL = {'database': 'ok', 'migrations': 'ok', 'storage': 'ok'}


class TestHealthz:
    def test_returns_200_without_a_query(self, client, queries):
        with queries(max=0):
            response = client.get('/healthz')

        assert response.status_code == 200
        assert data(response) is None

    def test_needs_neither_database_nor_storage(self, kernel, tmp_path):
        app = kernel(
            SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none',
            STORAGE_URL='file:///dev/null/storage',
        )

        assert app.test_client().get('/healthz').status_code == 200


class TestReadyz:
    def test_returns_the_state_of_each_dependency(self, ready):
        found = data(ready())

        assert found | CRITICAL == found
        assert found['dependencies'].keys() >= {*CRITICAL, 'mail', 'tasks'}
        assert found['dependencies']['database'] == {
            'state': 'ok', 'age': found['dependencies']['database']['age'],
            'critical': True, 'details': {},
        }  # fmt: skip
        assert all(0 <= one['age'] <= 10 for one in found['dependencies'].values())

    def test_returns_503_when_the_database_is_down(self, kernel, caplog):
        app = kernel(SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none')

        response = app.test_client().get('/readyz')

        assert response.status_code == 503
        assert response.headers['Retry-After'] == '5'
        assert response.json['status'] == 'error'
        assert response.json['message'].startswith(
            'database: down, migrations: unknown, storage: ok'
        )
        assert '127.0.0.1' not in response.text
        assert 'not ready: database is down' in caplog.text

    def test_returns_503_when_migrations_are_behind(self, service, ready):
        with service.app_context():
            stamp(revision='users@base')
            db.session.remove()

        response = ready()

        assert response.status_code == 503
        assert 'migrations: behind' in response.json['message']

    def test_returns_200_when_a_newer_version_has_migrated(self, ready, only):
        only(migrations=HealthCheck(function=lambda: CheckResult('ahead'), is_critical=True))

        response = ready()

        assert response.status_code == 200
        assert data(response)['migrations'] == 'ahead'
        assert data(response)['degraded'] == []

    def test_returns_the_public_reason_of_a_failure(self, ready, only):
        result = CheckResult('behind', {'reason': 'git branch topic'})
        only(migrations=HealthCheck(function=lambda: result, is_critical=True))

        assert ready().json['message'] == 'migrations: behind (git branch topic)'

    def test_returns_503_when_the_storage_is_down(self, service, ready, tmp_path):
        (tmp_path / 'file').touch()
        service.extensions['storage'].spool = tmp_path / 'file'

        response = ready()

        assert response.status_code == 503
        assert 'database: ok, migrations: ok, storage: down' in response.json['message']

    def test_returns_200_again_when_all_dependencies_work(self, service, ready):
        with service.app_context():
            stamp(revision='users@base')
            assert ready().status_code == 503
            stamp(revision='heads')
            db.session.remove()

        assert ready().status_code == 200

    def test_returns_200_with_the_names_of_degraded_dependencies(self, ready, only):
        only(
            database=HealthCheck(function=CheckResult, is_critical=True),
            mail=HealthCheck(function=lambda: CheckResult('late', {'oldest': 400})),
            redis=HealthCheck(function=lambda: CheckResult('down', reason='10.0.0.5 is away')),
        )

        response = ready()

        assert response.status_code == 200
        assert data(response)['degraded'] == ['mail', 'redis']
        assert data(response)['dependencies']['mail']['details'] == {'oldest': 400}
        assert '10.0.0.5' not in response.text

    @pytest.mark.parametrize(('is_critical', 'code'), [(True, 503), (False, 200)])
    def test_treats_an_unknown_state_as_a_failure(
        self, service, only, monkeypatch, is_critical, code
    ):
        only(database=HealthCheck(function=CheckResult, is_critical=is_critical))
        known = Readiness(service)
        monkeypatch.setattr(known, '_start', lambda *_: None)
        service.extensions['readiness'] = known

        assert service.test_client().get('/readyz').status_code == code
