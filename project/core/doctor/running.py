"""Evaluation of the checks of `flask doctor`: each in a thread, all within 5 s."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import NamedTuple

from flask import Flask

from project.core.checks import (
    Check,
    DoctorCheck,
    Finding,
    HealthCheck,
    Need,
    Situation,
    State,
    checks,
    reason_of,
)

CHECK_SECONDS = 5.0
# The check that reports a database that does not work. Other checks then only name this cause.
DATABASE = 'database'


class Row(NamedTuple):
    """A line of the report."""

    name: str
    state: State
    seen: str
    remedy: str


@dataclass(slots=True)
class _Run:
    """A check in its thread."""

    find: Callable[[], Iterable[Finding]]
    findings: list[Finding] = field(default_factory=list)
    finished: Event = field(default_factory=Event)
    error: BaseException | None = None

    def __call__(self) -> None:
        try:
            for finding in self.find():
                self.findings.append(finding)
        # A library may raise any error, and SystemExit for a missing package.
        except (Exception, SystemExit) as error:
            self.error = error
            self.findings.append(Finding(State.FAILED, reason_of(error)))
        self.finished.set()


def run_doctor(
    situation: Situation,
    app: Flask | None,
    *,
    has_config: bool = True,
    names: Iterable[str] | None = None,
    seconds: float = CHECK_SECONDS,
) -> list[tuple[str, Finding]]:
    """Run the checks of `flask doctor`; return their findings within `seconds`.

    :param app: the application; None if it cannot be created. Then the checks that need it do not
        run.
    :param has_config: whether the settings could be loaded.
    :param names: the checks to run; by default all.
    """
    wanted = {n: c for n, c in checks.values.items() if names is None or n in names}
    have = Need.APPLICATION if app else Need.CONFIGURATION if has_config else Need.NOTHING
    lock: AbstractContextManager[object] = Lock() if _is_in_memory(app) else nullcontext()
    end = time.monotonic() + seconds
    runs = {}
    for name, check in wanted.items():
        if find := _function(check, situation, app, have, lock):
            runs[name] = _Run(find)
            # A thread that does not end must not keep the command alive.
            Thread(target=runs[name], name=f'doctor {name}', daemon=True).start()
    for run in runs.values():
        is_finished = run.finished.wait(max(0.0, end - time.monotonic()))
        if not is_finished and not any(each.state is State.FAILED for each in run.findings):
            run.findings.append(Finding(State.FAILED, f'no result within {seconds:g} s'))
    _name_failed_database(runs)
    return [(name, finding) for name, run in runs.items() for finding in run.findings]


def _name_failed_database(runs: Mapping[str, _Run]) -> None:
    """Replace the errors of the database in other checks, whose remedies would be wrong."""
    database = runs.get(DATABASE)
    if not database or all(each.state is not State.FAILED for each in database.findings):
        return
    for name, run in runs.items():
        if name != DATABASE and run.finished.is_set() and _is_error_of_database(run.error):
            seen = 'not possible: the check of the database has failed'
            run.findings[-1] = Finding(State.NOT_CHECKED, seen, remedy='')


def _is_error_of_database(error: BaseException | None) -> bool:
    if error is None:
        return False
    # Imported here, because this module works even if SQLAlchemy is missing.
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error, SQLAlchemyError) or isinstance(error.__cause__, SQLAlchemyError)


def _is_in_memory(app: Flask | None) -> bool:
    """Return whether the database is in memory: all threads share its connection."""
    if app is None:
        return False
    # Imported here, because this module works even if SQLAlchemy is missing.
    from project.core.database.engines import is_in_memory_url

    return is_in_memory_url(app.config['SQLALCHEMY_DATABASE_URI'])


def _function(
    check: Check,
    situation: Situation,
    app: Flask | None,
    have: Need,
    lock: AbstractContextManager[object],
) -> Callable[[], Iterable[Finding]] | None:
    """Return the function that yields the findings of a check; None if another step reports it."""
    if isinstance(check, HealthCheck):
        needs: Need = Need.APPLICATION
    elif isinstance(check, DoctorCheck):
        needs = check.needs
    else:
        return None
    if have < needs:
        seen = f'not possible without the {needs.name.lower()}, which cannot be loaded'
        return lambda: [Finding(State.NOT_CHECKED, seen, remedy='')]

    def find() -> Iterator[Finding]:
        with app.app_context() if app and needs is Need.APPLICATION else nullcontext(), lock:
            yield from findings_of(check, situation)

    return find


def findings_of(check: Check, situation: Situation) -> Iterator[Finding]:
    """Run a check, in an application context if it needs one, and yield its findings."""
    if isinstance(check, DoctorCheck):
        yield from check.function(situation)
    elif isinstance(check, HealthCheck):
        yield from inspect_dependency(check, situation.config)


def inspect_dependency(check: HealthCheck, config: Mapping[str, object]) -> Iterator[Finding]:
    """Yield the findings of a health check: those of `inspect`, or else its result."""
    if not check.is_configured(config):
        yield Finding(State.NOT_CHECKED, 'not configured', remedy='')
    elif check.inspect is not None:
        yield from check.inspect()
    else:
        result = check.function()
        reason = f': {result.reason}' if result.reason else ''
        yield Finding(check.state_of(result.state), f'{result.state}{reason}')


def to_rows(found: Iterable[tuple[str, Finding]], *, is_deploy: bool) -> list[Row]:
    """Return the rows of the report: failed ones first, then by name.

    :param is_deploy: whether findings that are insecure in production count as failed.
    """
    rows = []
    for name, finding in found:
        state = State.FAILED if is_deploy and finding.fails_deploy else finding.state
        remedy = checks.values[name].remedy if finding.remedy is None else finding.remedy
        rows.append(Row(name, state, finding.seen, '' if state is State.OK else remedy))
    order = list(State)
    return sorted(rows, key=lambda row: (order.index(row.state), row.name))
