"""Does it serve, and has it all that it needs?"""

import pytest
from flask_migrate import stamp

from project.core.data.database import db
from project.core.ops import health
from project.core.ops.health import check_migrations
from tests.client import data

HEALTHY = {'database': 'ok', 'migrations': 'ok', 'storage': 'ok'}


@pytest.fixture
def service(kernel, tmp_path):
    """Return an application whose database is at the head of every branch."""
    app = kernel(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/db')
    with app.app_context():
        stamp(revision='heads')
        db.session.remove()
    return app


@pytest.fixture
def ready(service):
    """Return a function that asks whether it is ready, anew each time."""

    def ask():
        service.extensions['readiness'] = (0.0, {})
        return service.test_client().get('/readyz')

    return ask


class TestHealthz:
    def test_says_that_the_process_serves(self, client, queries):
        with queries(max=0):
            response = client.get('/healthz')

        assert response.status_code == 200
        assert data(response) is None

    def test_needs_nothing(self, kernel, tmp_path):
        app = kernel(
            SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none',
            STORAGE_URL='file:///dev/null/storage',
        )

        assert app.test_client().get('/healthz').status_code == 200


class TestReadyz:
    def test_says_the_state_of_everything(self, ready):
        assert data(ready()) == HEALTHY

    def test_says_that_the_database_is_down(self, kernel, caplog):
        app = kernel(SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none')

        response = app.test_client().get('/readyz')

        assert response.status_code == 503
        assert response.headers['Retry-After'] == '5'
        assert response.json == {
            'status': 'error',
            'message': 'database: down, migrations: down, storage: ok',
            'code': 503,
        }
        assert '127.0.0.1' not in response.text
        assert 'not ready' in caplog.text

    def test_says_that_migrations_are_behind(self, service, ready):
        with service.app_context():
            stamp(revision='users@base')
            db.session.remove()

        assert ready().json['message'] == 'database: ok, migrations: behind, storage: ok'

    def test_says_that_the_storage_is_down(self, service, ready, tmp_path):
        (tmp_path / 'file').touch()
        service.extensions['storage'].root = tmp_path / 'file'
        service.extensions['storage']._incoming = tmp_path / 'file' / 'incoming'

        assert ready().json['message'] == 'database: ok, migrations: ok, storage: down'

    def test_works_again_when_everything_does(self, service, ready):
        with service.app_context():
            stamp(revision='users@base')
            assert ready().status_code == 503
            stamp(revision='heads')
            db.session.remove()

        assert data(ready()) == HEALTHY

    def test_asks_once_a_second(self, service, monkeypatch):
        asked, clock = [], [100.0]
        monkeypatch.setitem(health.CHECKS, 'database', lambda: asked.append(1))
        monkeypatch.setattr(health, 'time', Clock(clock))
        client = service.test_client()

        for moment in (100.0, 100.5, 101.0):
            clock[0] = moment
            client.get('/readyz')
        assert len(asked) == 1

        clock[0] = 101.1
        client.get('/readyz')
        assert len(asked) == 2


class Clock:
    """As much of the module `time` as is asked, at a moment of the test's choice."""

    def __init__(self, moment):
        self.moment = moment

    def monotonic(self):
        return self.moment[0]


class TestCheckMigrations:
    def test_refuses_a_database_that_was_never_migrated(self, kernel, tmp_path):
        app = kernel(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/db')

        with app.app_context(), pytest.raises(health.NotReady):
            check_migrations()
