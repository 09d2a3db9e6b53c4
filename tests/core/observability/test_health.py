"""Does it serve, and has it all that it needs?"""

from contextvars import copy_context
from datetime import timedelta
from threading import Event, Thread

import pytest
import time_machine
from alembic.script import ScriptDirectory
from flask_migrate import stamp
from sqlalchemy import text

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.observability import health
from project.core.observability.health import Readiness, check_migrations
from project.core.tasks import task
from project.core.tasks.outbox import OutboxTask
from tests.client import data
from tests.databases import create_tables

from ..outbox import enqueue_at_committed, mark_dead

IDLE = {'state': 'ok', 'waiting': 0, 'dead': 0, 'delay': 0}
UNKNOWN = {'state': 'unknown', 'waiting': None, 'dead': None, 'delay': None}
HEALTHY = {'database': 'ok', 'migrations': 'ok', 'storage': 'ok', 'tasks': IDLE}


@pytest.fixture
def service(kernel, tmp_path):
    """Return an application whose database is at the head of every branch."""
    app = kernel(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/db')
    with app.app_context():
        create_tables()
        stamp(revision='heads')
        db.session.remove()
    return app


@pytest.fixture
def ready(service):
    """Return a function that asks whether it is ready, anew each time."""

    def ask():
        service.extensions['readiness'] = Readiness()
        return service.test_client().get('/readyz')

    return ask


class TestHealthz:
    def test_says_that_the_process_serves(self, client, assert_max_queries):
        with assert_max_queries(0):
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
            'message': 'database: down, migrations: unknown, storage: ok',
            'code': 503,
        }
        assert '127.0.0.1' not in response.text
        assert 'not ready' in caplog.text

    def test_says_that_migrations_are_behind(self, service, ready):
        with service.app_context():
            stamp(revision='users@base')
            db.session.remove()

        assert ready().json['message'] == 'database: ok, migrations: behind, storage: ok'

    def test_serves_on_where_a_newer_version_has_migrated(self, service, ready):
        advance(service)

        response = ready()

        assert response.status_code == 200
        assert data(response) == {**HEALTHY, 'migrations': 'ahead'}

    def test_says_that_the_storage_is_down(self, service, ready, tmp_path):
        (tmp_path / 'file').touch()
        service.extensions['storage'].spool = tmp_path / 'file'

        assert ready().json['message'] == 'database: ok, migrations: ok, storage: down'

    def test_works_again_when_everything_does(self, service, ready):
        with service.app_context():
            stamp(revision='users@base')
            assert ready().status_code == 503
            stamp(revision='heads')
            db.session.remove()

        assert data(ready()) == HEALTHY

    def test_asks_nothing_more_of_a_database_that_is_down(self, service, ready, monkeypatch):
        asked = []
        monkeypatch.setitem(health.CHECKS, 'database', lambda: 'down')
        monkeypatch.setitem(health.CHECKS, 'migrations', lambda: asked.append(1))

        assert ready().json['message'] == 'database: down, migrations: unknown, storage: ok'
        assert asked == []

    def test_lets_one_ask_and_tells_the_others_what_was_known_last(self, service, monkeypatch):
        asked, may_go = [], Event()

        def lost():
            asked.append(1)
            may_go.wait(10)
            return 'down'

        monkeypatch.setitem(health.CHECKS, 'database', lost)
        service.extensions['readiness'] = Readiness()
        client = service.test_client()
        first = Thread(target=copy_context().run, args=(client.get, '/readyz'))
        first.start()
        while not asked:
            pass

        others = {client.get('/readyz').json['message'] for _ in range(3)}
        may_go.set()
        first.join()

        assert others == {'database: unknown, migrations: unknown, storage: unknown'}
        assert len(asked) == 1
        assert client.get('/readyz').json['message'].startswith('database: down')

    def test_asks_once_a_second(self, service, monkeypatch):
        asked, clock = [], [100.0]
        monkeypatch.setitem(health.CHECKS, 'database', lambda: asked.append(1) or 'ok')
        monkeypatch.setattr(health, 'time', Clock(clock))
        client = service.test_client()

        for moment in (100.0, 100.5, 101.0):
            clock[0] = moment
            client.get('/readyz')
        assert len(asked) == 1

        clock[0] = 101.1
        client.get('/readyz')
        assert len(asked) == 2


class TestCheckTasks:
    @pytest.fixture
    def put(self, service, no_tasks):
        """Return a function that enqueues tasks, due since so many seconds."""
        nothing = task(name='nothing')(lambda: None)

        def enqueue(*ages):
            with service.app_context():
                ids = [
                    enqueue_at_committed(now() - timedelta(seconds=age), nothing) for age in ages
                ]
                db.session.remove()
            return ids

        return enqueue

    @time_machine.travel(now(), tick=False)
    def test_says_how_far_the_outbox_is_behind(self, put, ready):
        put(100, 5)

        tasks = data(ready())['tasks']

        assert tasks == {'state': 'ok', 'waiting': 2, 'dead': 0, 'delay': 100}

    @time_machine.travel(now(), tick=False)
    def test_warns_of_what_is_late_and_serves_on(self, put, ready):
        put(121)

        response = ready()

        assert response.status_code == 200
        assert data(response)['tasks'] == {'state': 'late', 'waiting': 1, 'dead': 0, 'delay': 121}

    def test_counts_what_was_given_up(self, service, put, ready):
        [found] = put(1)
        with service.app_context():
            mark_dead(found)
            db.session.remove()

        assert data(ready())['tasks'] == {**IDLE, 'dead': 1}

    def test_knows_nothing_where_the_outbox_cannot_be_counted(self, service, ready, caplog):
        with service.app_context():
            OutboxTask.__table__.drop(db.engine)

        response = ready()

        assert response.status_code == 200
        assert data(response) == {**HEALTHY, 'tasks': UNKNOWN}
        assert 'the outbox cannot be counted' in caplog.text


class Clock:
    """As much of the module `time` as is asked, at a moment of the test's choice."""

    def __init__(self, moment):
        self.moment = moment

    def monotonic(self):
        return self.moment[0]


def advance(service):
    """Let a newer version of the service have migrated the database."""
    with service.app_context():
        execute("INSERT INTO alembic_version VALUES ('of-tomorrow')")


def execute(statement):
    """Write past everything that knows of tables."""
    with atomic():
        db.session.execute(text(statement))
    db.session.remove()


class TestCheckMigrations:
    def test_says_that_a_database_was_never_migrated(self, kernel, tmp_path):
        app = kernel(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/db')

        with app.app_context():
            assert check_migrations() == 'behind'

    def test_sees_what_is_old_beside_what_is_newer(self, service, monkeypatch):
        advance(service)
        heads = ScriptDirectory.get_heads
        # Whichever is the first: pretend that it has been followed by another.
        monkeypatch.setattr(ScriptDirectory, 'get_heads', lambda self: sorted(heads(self))[1:])

        with service.app_context():
            assert check_migrations() == 'behind'
