"""`/healthz` and `/readyz`."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response
from marshmallow import Schema, fields

from project.core.checks import HealthCheck, checks_of
from project.core.observability.build_info import code_version_and_revision
from project.core.process_lifetime import is_stopping
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.headers import Header
from project.core.web.responses.jsend import api_error, api_success

from .proxy_probe import report_to_probe
from .readiness import READINESS, DependencyState

health = Blueprint('health', __name__)

RETRY_AFTER_SECONDS = 5
VERSION_HEADER = {
    'X-App-Version': Header('The version and the git commit of the code: `1.4.0+0a1b2c3d4e5f`.')
}


class TasksSchema(Schema):
    """The backlog of the outbox, which never makes the service unready."""

    state = fields.Str(
        metadata={'description': '`ok`, `late`, `stopped`, `silent`, `down` or `unknown`'}
    )
    waiting = fields.Int(
        allow_none=True,
        metadata={'description': 'due tasks that are not started, counted up to 10,000'},
    )
    dead = fields.Int(
        allow_none=True, metadata={'description': 'dead letters, counted up to 10,000'}
    )
    delay = fields.Int(
        allow_none=True, metadata={'description': 'seconds since the oldest task became due'}
    )
    tick = fields.Int(
        allow_none=True,
        metadata={'description': 'seconds since a dispatcher last polled the outbox; null: never'},
    )


class DependencySchema(Schema):
    """The state of one dependency."""

    state = fields.Str(metadata={'description': '`ok`, or one word for the fault'})
    age = fields.Float(metadata={'description': 'seconds since the evaluation, at most 10'})
    critical = fields.Bool(
        metadata={'description': 'whether the service is not ready (503) without the dependency'}
    )
    details = fields.Dict(keys=fields.Str(), metadata={'description': 'figures of the check'})


class ReadinessSchema(Schema):
    """The state of each dependency. `degraded` lists failing dependencies that are not critical."""

    database = fields.Str(metadata={'description': '`ok`: the database answers.'})
    migrations = fields.Str(metadata={'description': '`ok`: the tables fit the code.'})
    storage = fields.Str(metadata={'description': '`ok`: the object storage answers.'})
    tasks = fields.Nested(TasksSchema)
    degraded = fields.List(
        fields.Str(), metadata={'description': 'The failing dependencies that are not critical.'}
    )
    dependencies = fields.Dict(
        keys=fields.Str(),
        values=fields.Nested(DependencySchema),
        metadata={'description': 'The state of each dependency, by name.'},
    )


@health.get('/healthz')
@endpoint(operation_id='getHealth', allow=public, extra_response_headers=VERSION_HEADER)
def healthz() -> Response:
    """Return 200 if the process serves requests.

    No dependency is checked. The route also works during maintenance.
    """
    report_to_probe()
    response = api_success(None)
    response.headers['X-App-Version'] = code_version_and_revision()
    return response


@health.get('/readyz')
@endpoint(operation_id='getReadiness', allow=public, returns=ReadinessSchema)
def readyz() -> Response | dict[str, object]:
    """Return the state of each dependency; 503 if a critical one fails.

    Database, migrations and storage are critical. If another dependency fails, the service is
    `degraded` and returns 200. A state is at most 10 s old. The response takes at most 3 s.
    """
    if is_stopping():
        return api_error('server: stopping', 503, {'Retry-After': str(RETRY_AFTER_SECONDS)})
    states = READINESS.get().current()
    if all(found.severity != 'unready' for found in states.values()):
        return report(states)
    message = ', '.join(_stated(found) for found in by_importance(states))
    return api_error(message, 503, {'Retry-After': str(RETRY_AFTER_SECONDS)})


def _stated(found: DependencyState) -> str:
    """Return the name and the state of a dependency, and the reason that clients may read."""
    reason = found.result.details.get('reason')
    return f'{found.name}: {found.state}' + (f' ({reason})' if reason else '')


def report(states: Mapping[str, DependencyState]) -> dict[str, object]:
    """Return the states of all dependencies in the form of `ReadinessSchema`."""
    ordered = by_importance(states)
    critical = {found.name: found.state for found in ordered if is_critical(found)}
    tasks = states.get('tasks')
    return {
        **critical,
        'tasks': tasks and _tasks(tasks),
        'degraded': [found.name for found in ordered if found.severity == 'degraded'],
        'dependencies': {
            found.name: {
                'state': found.state,
                'age': round(found.age, 1),
                'critical': is_critical(found),
                'details': dict(found.result.details),
            }
            for found in ordered
        },
    }


def by_importance(states: Mapping[str, DependencyState]) -> list[DependencyState]:
    """Return the states, those of critical dependencies first, both groups sorted by name."""
    return sorted(states.values(), key=lambda found: (not is_critical(found), found.name))


def is_critical(found: DependencyState) -> bool:
    """Return whether the failure of a dependency makes the service unready."""
    return checks_of(HealthCheck)[found.name].is_critical


def _tasks(found: DependencyState) -> dict[str, Any]:
    unknown = dict.fromkeys(('waiting', 'dead', 'delay', 'tick'))
    return {'state': found.state, **unknown, **found.result.details}
