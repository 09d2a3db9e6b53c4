"""`/healthz` and `/readyz`: does the process serve, and has it everything that it needs?"""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Flask, Response, current_app
from marshmallow import Schema, fields
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from project.core.database.migrations import migrate
from project.core.database.session import db
from project.core.errors import ServiceUnavailable
from project.core.process_lifetime import is_stopping
from project.core.storage import storage
from project.core.tasks.inspection import queue_stats
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.jsend import api_error

health = Blueprint('health', __name__)

CACHE_SECONDS = 1.0  # seconds: asking for readiness must not become a way to load the database

# A database that is ahead of the code is one that the next version of it has migrated already.
# Migrations first add, and drop a release later, so the old code serves on until it is replaced.
READY_STATES = {'ok', 'ahead'}


# Seconds that a task may be due before it is called late: longer than the wait after a failure or
# for the lease of a process that died.
LATE_AFTER_SECONDS = 120


class TasksSchema(Schema):
    """How far the outbox is behind: a warning, for requests are answered all the same."""

    state = fields.Str(metadata={'description': '`ok`, `late` or `unknown`'})
    waiting = fields.Int(
        allow_none=True, metadata={'description': 'due and not begun (10,000: or more)'}
    )
    dead = fields.Int(allow_none=True, metadata={'description': 'given up (10,000: or more)'})
    delay = fields.Int(
        allow_none=True, metadata={'description': 'for how many seconds the oldest has been due'}
    )


class ReadinessSchema(Schema):
    """The state of everything we need: `ok` once we serve."""

    database = fields.Str()
    migrations = fields.Str()
    storage = fields.Str()
    tasks = fields.Nested(TasksSchema)


UNKNOWN_TASKS: dict[str, Any] = {'state': 'unknown', 'waiting': None, 'dead': None, 'delay': None}


class Readiness:
    """What was last known of everything that we need. One request at a time asks anew.

    Asking may take as long as a lost database takes to be missed. The others do not wait for that.
    """

    def __init__(self) -> None:
        self.states = dict.fromkeys(CHECKS, 'unknown')
        self.tasks = UNKNOWN_TASKS
        self.checked = float('-inf')
        self._asking = Lock()

    def current(self) -> dict[str, str]:
        """Return the state of each, a second old at most unless somebody is asking."""
        if time.monotonic() - self.checked > CACHE_SECONDS and self._asking.acquire(blocking=False):
            try:
                self.states = check_all()
                # Without its table there is nothing to ask.
                is_there = set(self.states.values()) <= READY_STATES
                self.tasks = check_tasks() if is_there else UNKNOWN_TASKS
                self.checked = time.monotonic()
            finally:
                self._asking.release()
        return self.states


@health.get('/healthz')
@endpoint(allow=public)
def healthz() -> None:
    """Whether the process serves. Touches nothing, and answers during maintenance too."""


@health.get('/readyz')
@endpoint(allow=public, returns=ReadinessSchema)
def readyz() -> Response | dict[str, Any]:
    """Whether database, migrations and storage work; 503 with the state of each if one does not.

    Beside them, how far the tasks that run later are behind, which is a warning only.
    """
    readiness: Readiness = current_app.extensions['readiness']
    states = readiness.current() | ({'server': 'stopping'} if is_stopping() else {})
    if set(states.values()) <= READY_STATES:
        return {**states, 'tasks': readiness.tasks}
    message = ', '.join(f'{name}: {state}' for name, state in states.items())
    return api_error(message, 503, {'Retry-After': '5'})


def init_app(app: Flask) -> None:
    """Mount both beside the API."""
    app.extensions['readiness'] = Readiness()
    app.register_blueprint(health)


def check_all() -> dict[str, str]:
    """Return the state of everything."""
    states: dict[str, str] = {}
    for name, check in CHECKS.items():
        # A lost database would be waited for a second time, to be told nothing more.
        lost = name == 'migrations' and states['database'] != 'ok'
        states[name] = 'unknown' if lost else _state(check)
    return states


def check_database() -> str:
    """Refuse when the database does not answer."""
    db.session.execute(select(1))
    return 'ok'


def check_migrations() -> str:
    """Tell whether the database is where this code wants it, `behind` that, or `ahead` of it."""
    script = ScriptDirectory.from_config(migrate.get_config())
    with db.engine.connect() as connection:
        heads = set(MigrationContext.configure(connection).get_current_heads())
    known = {revision.revision for revision in script.walk_revisions()}
    if newer := heads - known:
        # What is behind one that is unknown cannot be told, but an old one beside it can.
        return 'behind' if heads - newer - set(script.get_heads()) else 'ahead'
    reached = {revision.revision for revision in script.iterate_revisions(tuple(heads), 'base')}
    return 'ok' if reached == known else 'behind'


def check_storage() -> str:
    """Refuse with ServiceUnavailable when nothing can be stored."""
    storage().check_health()
    return 'ok'


def check_tasks() -> dict[str, Any]:
    """Return how far the outbox is behind."""
    try:
        found = queue_stats()
    except SQLAlchemyError as error:
        current_app.logger.warning('the outbox cannot be counted: %s', error)
        return UNKNOWN_TASKS
    return {'state': 'late' if found['delay'] > LATE_AFTER_SECONDS else 'ok', **found}


def _state(check: Callable[[], str]) -> str:
    try:
        return check()
    except (ServiceUnavailable, SQLAlchemyError) as error:
        current_app.logger.warning('not ready: %s', error.__cause__ or error)
        return 'down'


CHECKS = {
    'database': check_database,
    'migrations': check_migrations,
    'storage': check_storage,
}
