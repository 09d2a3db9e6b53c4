"""The registry of all checks: of the start, of `/readyz`, of `flask config check` and `doctor`.

Each module registers the checks of the settings, the dependency or the files that it uses. A check
states by its class at which moments it runs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from .errors import ServiceUnavailable
from .registration import RegistrationError, Registry

# `ahead`: a newer version of the service has migrated the database. This version can still serve
# requests.
READY_STATES = frozenset({'ok', 'ahead'})
# With these states, a dependency that only degrades the service is a fault of the configuration.
UNREACHABLE_STATES = frozenset({'down', 'silent'})

# The number of names in a line of a report.
MAX_LISTED_NAMES = 5

# Time limit for connecting to Redis, and for each of its responses.
REDIS_SECONDS = 0.9


class Moment(StrEnum):
    """A moment at which checks run. The values are the names in the generated tables."""

    START = 'start'
    CONFIG = '`flask config check`'
    ONLINE = '`flask config check --online`'
    READINESS = '`/readyz`'
    DOCTOR = '`flask doctor`'


class State(StrEnum):
    """The state of a finding, in the order of the report of `flask doctor`."""

    FAILED = 'failed'
    WARNING = 'warning'
    NOT_CHECKED = 'not checked'
    OK = 'ok'


class Need(IntEnum):
    """A precondition of a check of `flask doctor`. Each one includes those before it."""

    NOTHING = 0
    CONFIGURATION = 1
    APPLICATION = 2


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


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report of `flask doctor`.

    :param seen: the observation of the check, in one line.
    :param remedy: the remedy; by default that of the check. Empty: there is nothing to do.
    :param fails_deploy: whether the finding counts as failed with `--deploy`. So a value that is
        right in development can be `ok` without this option.
    """

    state: State
    seen: str = ''
    remedy: str | None = None
    fails_deploy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The values that `flask doctor` passes to its checks.

    :param config: the settings; a setting with a fault has its default.
    :param variables: the names of the settings in the environment, by their keys in `config`.
    :param secret_files: the files from which settings were read.
    :param var: the folder for the data of the service.
    :param requirements: the file with the pinned packages; it may be missing.
    :param url: the URL under which clients reach the service, if the operator has passed it.
    """

    config: Mapping[str, Any]
    variables: Mapping[str, str] = field(default_factory=dict)
    secret_files: tuple[Path, ...] = ()
    var: Path = Path('var')
    requirements: Path = Path('requirements/app.txt')
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Base class: a check, and the remedy that `flask doctor` prints if it fails."""

    moments: ClassVar[tuple[Moment, ...]]

    remedy: str = ''


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigCheck(Check):
    """A check of settings. It needs no application and no dependency.

    :param find_faults: yields a message for each fault because of which the service must not start.
    :param find_warnings: yields a message for each valid setting that is probably a mistake.
    """

    moments = (Moment.START, Moment.CONFIG, Moment.DOCTOR)

    find_faults: Callable[[Mapping[str, Any]], Iterable[str]]
    find_warnings: Callable[[Mapping[str, Any]], Iterable[str]]
    remedy: str = 'Correct the setting; `flask config show --json` prints its accepted values.'


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck(Check):
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
    :param inspect: the function that `flask doctor` calls instead. It may take up to 5 s.
    """

    moments = (Moment.READINESS, Moment.ONLINE, Moment.DOCTOR)

    function: Callable[[], CheckResult]
    is_critical: bool = False
    degraded_states: frozenset[str] = frozenset()
    is_configured: Callable[[Mapping[str, Any]], bool] = lambda config: True
    time_limit: float = 2.0
    interval: float = 1.0
    start_seconds: float = 0.0
    inspect: Callable[[], Iterable[Finding]] | None = None

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

    def state_of(self, state: str) -> State:
        """Return the state for the command line.

        Other than `/readyz`, commands count a dependency without an answer as failed, even if the
        service works without it. Other states of such a dependency are warnings: for example, tasks
        are late because no worker runs yet.
        """
        severity = self.severity(state)
        if severity == 'ready':
            return State.OK
        is_failed = severity == 'unready' or state in UNREACHABLE_STATES
        return State.FAILED if is_failed else State.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorCheck(Check):
    """A check that only `flask doctor` runs, in a thread, and within 5 s.

    :param function: yields the findings; an exception becomes a failed finding.
    :param needs: the precondition. A check that needs the application runs in an application
        context. Without the application, it does not run.
    """

    moments = (Moment.DOCTOR,)

    function: Callable[[Situation], Iterable[Finding]]
    needs: Need = Need.CONFIGURATION


checks: Registry[Check] = Registry('check')

C = TypeVar('C', bound=Check)


def register_check(name: str, check: Check, *, owner: str) -> None:
    """Add a check. It then runs at the moments of its class.

    :param name: the name of the dependency or of the subject: `database`, `clock`.
    :param owner: the module that registers it: `__name__`.
    :raises RegistrationError: if the name is registered already, or the check has no remedy.
    """
    if not check.remedy:
        raise RegistrationError(f'check {name!r} of {owner} has no remedy')
    checks.register(name, check, owner=owner)


def checks_of(kind: type[C]) -> dict[str, C]:
    """Return the registered checks of a class, in the order of their names."""
    return {name: check for name, check in checks.values.items() if isinstance(check, kind)}


def reason_of(error: BaseException) -> str:
    """Return the type and message of an error, or of its cause, in one line."""
    if isinstance(error, SystemExit):
        return str(error.code)
    cause = error.__cause__ or error
    lines = str(getattr(cause, 'orig', None) or cause).splitlines()
    # Some libraries write the reason only to the representation.
    return f'{type(cause).__name__}: {lines[0]}' if lines else repr(cause).splitlines()[0]


def listed_names(names: Sequence[str]) -> str:
    """Return the first names in one line, and the number of the others."""
    others = len(names) - MAX_LISTED_NAMES
    more = f' and {others} more' if others > 0 else ''
    return ', '.join(names[:MAX_LISTED_NAMES]) + more


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
