"""Evaluation of the health checks, each in a separate thread and within a time limit."""

import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from project.core.app_values import AppValue
from project.core.checks import CheckResult, HealthCheck, checks_of, reason_of
from project.core.database.engines import is_in_memory_url
from project.core.errors import ServiceUnavailable

MAX_AGE_SECONDS = 10.0
# A background thread evaluates the checks repeatedly. The first number is the pause in between. The
# second is the age from which the thread evaluates a state again. Requests do not depend on this
# thread: they evaluate old states themselves.
ROUND_SECONDS = 5.0
BACKGROUND_AGE_SECONDS = 9.0

# Errors of a dependency. All other exceptions are bugs of the check and are logged with a
# traceback.
EXPECTED_ERRORS = (ServiceUnavailable, SQLAlchemyError, OSError)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DependencyState:
    """The latest state of a dependency.

    :param age: seconds since the check returned; always 0 for the state `silent`.
    :param severity: `ready`, `degraded` or `unready`.
    """

    name: str
    result: CheckResult
    age: float
    severity: str

    @property
    def state(self) -> str:
        """Return the state in one word."""
        return self.result.state


@dataclass(slots=True)
class _Run:
    started: float
    finished: Event = field(default_factory=Event)


class Readiness:
    """The states of all dependencies of an application, in one process.

    Each check has at most one thread. If the thread does not return in time, the state is `silent`
    until it returns, and no second thread is started.
    """

    def __init__(self, app: Flask) -> None:
        self.stopped = Event()
        self._app = app
        self._lock = Lock()
        # An in-memory database has a single connection, which threads must not use concurrently.
        is_in_memory = is_in_memory_url(app.config['SQLALCHEMY_DATABASE_URI'])
        self._one_at_a_time: AbstractContextManager[object] = (
            Lock() if is_in_memory else nullcontext()
        )
        self._found: dict[str, tuple[CheckResult, float]] = {}
        self._running: dict[str, _Run] = {}
        self._logged: dict[str, str] = {}
        self._watched_since = float('-inf')

    @property
    def checks(self) -> Mapping[str, HealthCheck]:
        """Return the checks of the configured dependencies, by name."""
        found = checks_of(HealthCheck).items()
        return {name: check for name, check in found if check.is_configured(self._app.config)}

    def current(self, min_age: float = 0.0) -> dict[str, DependencyState]:
        """Return the state of each dependency, within 2 s.

        A check runs again if its latest state is older than its interval. Concurrent callers share
        one run.

        :param min_age: the minimum age in seconds of a state before its check runs again, if that
            is more than the interval of the check.
        """
        checks = self.checks
        for name, check in checks.items():
            self._start(name, check, max(check.interval, min_age))
        with self._lock:
            running = dict(self._running)
        for name, run in running.items():
            if name in checks:
                run.finished.wait(
                    max(0.0, run.started + checks[name].time_limit - time.monotonic())
                )
        states = {name: self._state(name, check) for name, check in checks.items()}
        if not self.stopped.is_set():
            self._log_changes(states)
        return states

    def watch(self) -> Thread:
        """Start a thread that runs the checks, to log outages, until `stopped` is set.

        Call it after the fork, in each process that serves: threads do not survive a fork.
        """
        self._watched_since = time.monotonic()
        thread = Thread(target=self._watch, name='readiness', daemon=True)
        thread.start()
        return thread

    def _watch(self) -> None:
        while not self.stopped.is_set():
            try:
                self.current(BACKGROUND_AGE_SECONDS)
            except Exception:
                log.exception('the dependencies cannot be checked')
            self.stopped.wait(ROUND_SECONDS)

    def _start(self, name: str, check: HealthCheck, min_age: float) -> None:
        with self._lock:
            moment = time.monotonic()
            found_at = self._found[name][1] if name in self._found else float('-inf')
            if name in self._running or moment - found_at < min_age:
                return
            run = _Run(moment)
            arguments = name, check, run
            try:
                Thread(target=self._run, args=arguments, name=f'check {name}', daemon=True).start()
            except RuntimeError as error:
                # The system has no memory or thread id left. The state becomes `unknown`.
                log.warning('%s cannot be checked: %s', name, error)
            else:
                self._running[name] = run

    def _run(self, name: str, check: HealthCheck, run: _Run) -> None:
        with self._one_at_a_time:
            result = _evaluate(self._app, check)
        with self._lock:
            self._found[name] = result, time.monotonic()
            del self._running[name]
        run.finished.set()

    def _state(self, name: str, check: HealthCheck) -> DependencyState:
        with self._lock:
            moment, run = time.monotonic(), self._running.get(name)
            result, since = self._found.get(name, (CheckResult('unknown'), moment))
        if run is not None and moment - run.started >= check.time_limit:
            reason = f'no answer within {check.time_limit:g} s'
            result, since = CheckResult('silent', reason=reason), moment
        elif moment - since > MAX_AGE_SECONDS:
            result = CheckResult('unknown', reason=f'not evaluated for {moment - since:.0f} s')
        return DependencyState(name, result, moment - since, check.severity(result.state))

    def _log_changes(self, states: Mapping[str, DependencyState]) -> None:
        service_age = time.monotonic() - self._watched_since
        registered = checks_of(HealthCheck)
        for name, found in states.items():
            if service_age < registered[name].start_seconds:
                continue
            with self._lock:
                before = self._logged.get(name, 'ok')
                self._logged[name] = found.state
            if found.state == before:
                continue
            if found.severity == 'ready':
                log.info('ready: %s is %s', name, found.state)
            else:
                label = 'not ready' if found.severity == 'unready' else 'degraded'
                log.warning('%s: %s is %s: %s', label, name, found.state, found.result.reason)


READINESS: AppValue[Readiness] = AppValue('readiness')


def run_checks(app: Flask) -> dict[str, DependencyState]:
    """Run the checks of all configured dependencies; return their states within 2 s.

    Commands use it, because it needs no server. The `reason` of a result is for operators only: it
    may contain hosts and paths.
    """
    return Readiness(app).current()


def _evaluate(app: Flask, check: HealthCheck) -> CheckResult:
    try:
        with app.app_context():
            return check.function()
    except EXPECTED_ERRORS as error:
        return CheckResult('down', reason=reason_of(error))
    except (Exception, SystemExit) as error:
        log.exception('a health check failed')
        return CheckResult('down', reason=reason_of(error))
