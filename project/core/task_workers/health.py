"""The health checks of tasks and of their broker."""

import logging
from typing import Any
from urllib.parse import urlsplit

from flask import current_app

from project.core.checks import CheckResult, HealthCheck, ping_redis, register_check
from project.core.errors import ServiceUnavailable
from project.core.tasks.inspection import (
    oldest_waiting_by_queue,
    queue_stats,
    schedule_ages,
    seconds_since_dispatcher_tick,
)

# Seconds after the due time of a task or a schedule after which it counts as late. It is longer
# than the time in which the lease of a dead process expires.
LATE_AFTER_SECONDS = 120
# The dispatcher stores the time every 5 s (a tick). If the last tick is older than this number of
# seconds, the dispatcher counts as stopped.
STOPPED_AFTER_SECONDS = 10

CONNECTION_SECONDS = 0.9


def check_tasks() -> CheckResult:
    """Check the dispatcher and the due tasks.

    :returns: `stopped` if no dispatcher runs, `late` if tasks or schedules are overdue, else `ok`.
    """
    tick, found = seconds_since_dispatcher_tick(), queue_stats()
    overdue = [age.name for age in schedule_ages() if age.seconds_overdue > LATE_AFTER_SECONDS]
    details: dict[str, Any] = {
        **found,
        'tick': tick,
        'oldest': oldest_waiting_by_queue(),
        'overdue_schedules': overdue,
    }
    if tick is None or tick > STOPPED_AFTER_SECONDS:
        since = 'never' if tick is None else f'{tick} s ago'
        return CheckResult('stopped', details, f'the last tick of a dispatcher: {since}')
    if found['delay'] > LATE_AFTER_SECONDS:
        return CheckResult('late', details, f'a task has been due for {found["delay"]} s')
    if overdue:
        return CheckResult('late', details, f'schedules are overdue: {", ".join(overdue)}')
    return CheckResult('ok', details)


def check_broker() -> CheckResult:
    """Connect to the broker.

    :raises ServiceUnavailable: if that fails.
    """
    url = current_app.config['TASKS_BROKER_URL']
    if urlsplit(url).scheme.startswith('redis'):
        ping_redis(url)
    else:
        _connect_to_rabbitmq(url)
    return CheckResult()


def _connect_to_rabbitmq(url: str) -> None:
    # Imported here, as in `broker`: most services have no broker.
    from pika import BlockingConnection, URLParameters  # type: ignore[import-untyped]
    from pika.adapters.utils.connection_workflow import (  # type: ignore[import-untyped]
        AMQPConnectorException,
    )
    from pika.exceptions import AMQPError  # type: ignore[import-untyped]

    # pika logs each failure five times and also raises it, so its log is disabled.
    logging.getLogger('pika').setLevel(logging.CRITICAL)
    parameters = URLParameters(url)
    parameters.socket_timeout = parameters.stack_timeout = CONNECTION_SECONDS
    parameters.blocked_connection_timeout = CONNECTION_SECONDS
    parameters.connection_attempts = 1
    try:
        BlockingConnection(parameters).close()
    except (AMQPError, AMQPConnectorException, OSError) as error:
        raise ServiceUnavailable from error


# The interval is 2 s, because counting takes some milliseconds if many tasks wait.
register_check(
    'tasks',
    HealthCheck(
        function=check_tasks,
        interval=2,
        start_seconds=STOPPED_AFTER_SECONDS,
        remedy='Start the service or `flask jobs work`; docs/operations.md, "Tasks".',
    ),
    owner=__name__,
)
register_check(
    'broker',
    HealthCheck(
        function=check_broker,
        is_configured=lambda config: bool(config['TASKS_BROKER_URL']),
        interval=5,
        remedy='Start the broker, or correct TASKS_BROKER_URL.',
    ),
    owner=__name__,
)
