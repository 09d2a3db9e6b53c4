"""The registry of health checks, for `/readyz` and `flask config check --online`.

Each module registers the check of the dependency that it uses. `core.observability.health` runs the
checks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ServiceUnavailable
from .registration import Registry

# `ahead`: a newer version of the service has migrated the database. This version can still serve
# requests.
READY_STATES = frozenset({'ok', 'ahead'})

# Time limit for connecting to Redis, and for each of its responses.
REDIS_SECONDS = 0.9


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a health check.

    :param state: one word: `ok`, or the fault: `down`, `read_only`, `full`, `late`, …
    :param details: figures that `/readyz` returns to any client.
    :param reason: one line for the log and the command line. `/readyz` does not return it.
    """

    state: str = 'ok'
    details: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ''


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """A dependency, and the function that checks it in a thread and an application context.

    :param function: the function, which returns the result; an exception means `down`.
    :param is_critical: whether the service is not ready without the dependency (503). A dependency
        that is not critical only degrades the service (200).
    :param degraded_states: states of a critical dependency that only degrade the service.
    :param is_configured: returns whether the configuration contains the dependency.
    :param time_limit: seconds after which the state of a check without a result is `silent`; at
        most 2.
    :param interval: seconds for which a result is reused before the check runs again; at most 6.
    :param start_seconds: seconds after the start of the service during which an outage is not
        logged, because the dependency starts at the same time.
    """

    function: Callable[[], CheckResult]
    is_critical: bool = False
    degraded_states: frozenset[str] = frozenset()
    is_configured: Callable[[Mapping[str, Any]], bool] = lambda config: True
    time_limit: float = 2.0
    interval: float = 1.0
    start_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Ensure that `time_limit` and `interval` are low enough for `/readyz`.

        A response of `/readyz` takes at most 3 s, and no state in it is older than 10 s.

        :raises ValueError: if a limit is too high, or not positive.
        """
        if not (0 < self.time_limit <= 2 and 0 < self.interval <= 6):
            raise ValueError('time_limit must be at most 2 s, interval at most 6 s')

    def severity(self, state: str) -> str:
        """Return the severity of a state: `ready`, `degraded` or `unready`."""
        if state in READY_STATES:
            return 'ready'
        is_unready = self.is_critical and state not in self.degraded_states
        return 'unready' if is_unready else 'degraded'


health_checks: Registry[HealthCheck] = Registry('health check')


def register_health_check(name: str, check: HealthCheck, *, owner: str) -> None:
    """Add a health check, which `/readyz` then runs.

    :param name: the name of the dependency: `database`, `mail`.
    :param owner: the module that registers it: `__name__`.
    :raises RegistrationError: if the name is registered already.
    """
    health_checks.register(name, check, owner=owner)


def ping_redis(url: str) -> None:
    """Ping a Redis server. Returns or raises within 2 s.

    :raises ServiceUnavailable: if the server does not respond.
    """
    # Imported here: most services have no Redis.
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry

    limits: dict[str, Any] = {
        'socket_timeout': REDIS_SECONDS,
        'socket_connect_timeout': REDIS_SECONDS,
        'retry': Retry(NoBackoff(), 0),
    }
    try:
        with Redis.from_url(url, **limits) as server:
            server.ping()
    except RedisError as error:
        raise ServiceUnavailable from error
