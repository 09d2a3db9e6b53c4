"""Evaluation of health checks: in threads, with time limits and a maximum age of results."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError, Event, active_count

import pytest
from sqlalchemy.exc import OperationalError

from project.core.checks import CheckResult, HealthCheck
from project.core.errors import ServiceUnavailable
from project.core.observability.health import Readiness, readiness, run_checks


class Clock:
    """A replacement of the module `time`, whose time the test sets."""

    def __init__(self):
        self.moment = 100.0

    def monotonic(self):
        return self.moment


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(readiness, 'time', clock)
    return clock


@pytest.fixture
def hanging():
    """Yield a check that hangs until `release` is set.

    Its list `begun` gets an entry for each call.
    """
    release, begun = Event(), []

    def hang():
        begun.append(1)
        release.wait(10)
        return CheckResult()

    hang.release, hang.begun = release, begun
    yield hang
    release.set()


def states(found):
    return {name: state.state for name, state in found.items()}


class TestCurrent:
    def test_evaluates_only_configured_dependencies(self, service, only):
        only(
            mail=HealthCheck(function=lambda: CheckResult('late')),
            redis=HealthCheck(
                function=CheckResult, is_configured=lambda config: config['REDIS_URL']
            ),
        )

        assert states(Readiness(service).current()) == {'mail': 'late'}

    @pytest.mark.parametrize(
        'error',
        [ServiceUnavailable('gone'), OperationalError('SELECT', {}, Exception('gone')), OSError(5)],
    )
    def test_is_down_after_an_exception(self, service, only, error):
        def fail():
            raise error

        only(database=HealthCheck(function=fail, is_critical=True))

        [found] = Readiness(service).current().values()

        assert (found.state, found.severity) == ('down', 'unready')

    @pytest.mark.parametrize('error', [ZeroDivisionError, SystemExit])
    def test_logs_the_traceback_of_a_fault_of_the_check(self, service, only, caplog, error):
        def fail():
            raise error

        only(mail=HealthCheck(function=fail))

        assert states(Readiness(service).current()) == {'mail': 'down'}
        assert error.__name__ in caplog.text

    def test_is_silent_after_the_time_limit_and_starts_no_second_thread(
        self, service, only, hanging
    ):
        only(database=HealthCheck(function=hanging, time_limit=0.05, interval=0.01))
        known = Readiness(service)

        first = known.current()
        threads = active_count()
        began = time.monotonic()
        with ThreadPoolExecutor(4) as many:
            others = list(many.map(lambda _: known.current(), range(8)))
        seconds = time.monotonic() - began

        assert [states(found) for found in [first, *others]] == [{'database': 'silent'}] * 9
        assert seconds < 1
        assert hanging.begun == [1]
        assert active_count() == threads

    def test_is_unknown_when_no_thread_can_be_started(self, service, only, monkeypatch, caplog):
        def fail(_thread):
            raise RuntimeError("can't start new thread")

        only(database=HealthCheck(function=CheckResult, is_critical=True))
        monkeypatch.setattr(readiness.Thread, 'start', fail)

        assert states(Readiness(service).current()) == {'database': 'unknown'}
        assert 'database cannot be checked' in caplog.text

    def test_evaluates_again_when_a_silent_dependency_responds(self, service, only, hanging):
        only(database=HealthCheck(function=hanging, time_limit=0.05, interval=0.01))
        known = Readiness(service)
        assert states(known.current()) == {'database': 'silent'}

        run = known._running['database']
        hanging.release.set()
        assert run.finished.wait(5)

        assert states(known.current()) == {'database': 'ok'}

    def test_shares_an_evaluation_between_concurrent_callers(self, service, only):
        begun, all_wait = [], Event()

        def slow():
            begun.append(1)
            all_wait.wait(0.2)
            return CheckResult('late')

        only(mail=HealthCheck(function=slow))
        known = Readiness(service)

        with ThreadPoolExecutor(4) as many:
            found = list(many.map(lambda _: states(known.current()), range(4)))

        assert found == [{'mail': 'late'}] * 4
        assert begun == [1]

    def test_evaluates_a_state_again_after_its_interval(self, service, only, clock):
        begun = []
        only(mail=HealthCheck(function=lambda: begun.append(1) or CheckResult(), interval=3))
        known = Readiness(service)

        for clock.moment in (100.0, 102.9):
            known.current()
        assert begun == [1]
        clock.moment = 103.0
        known.current()
        assert begun == [1, 1]
        clock.moment = 106.5
        known.current(min_age=4)
        assert begun == [1, 1]

    def test_returns_no_state_older_than_ten_seconds(
        self, service, only, clock, hanging, monkeypatch
    ):
        only(database=HealthCheck(function=CheckResult, is_critical=True))
        known = Readiness(service)
        assert states(known.current()) == {'database': 'ok'}
        # Prevent further evaluations.
        monkeypatch.setattr(known, '_start', lambda *_: None)

        clock.moment += 10
        [kept] = known.current().values()
        clock.moment += 0.1
        [old] = known.current().values()

        assert (kept.state, kept.age) == ('ok', 10)
        assert (old.state, old.severity) == ('unknown', 'unready')

    @pytest.mark.parametrize(('in_memory', 'met'), [(True, False), (False, True)])
    def test_evaluates_one_by_one_on_a_database_in_memory(
        self, kernel, service, only, in_memory, met
    ):
        both, seen = Barrier(2), []

        def meet():
            try:
                both.wait(0.1 if in_memory else 10)
            except BrokenBarrierError:
                seen.append(False)
            else:
                seen.append(True)
            return CheckResult()

        only(mail=HealthCheck(function=meet), redis=HealthCheck(function=meet))

        Readiness(kernel() if in_memory else service).current()

        assert seen == [met] * 2

    def test_logs_each_change_of_a_state_once(self, service, only, clock, caplog):
        result = CheckResult('down', reason='no route')
        only(mail=HealthCheck(function=lambda: result))
        known = Readiness(service)
        logging.getLogger(readiness.__name__).setLevel(logging.INFO)

        for clock.moment in (100.0, 102.0, 104.0):
            known.current()
        result = CheckResult()
        for clock.moment in (106.0, 108.0):
            known.current()

        messages = [r.message for r in caplog.records if r.name == readiness.__name__]
        assert messages == ['degraded: mail is down: no route', 'ready: mail is ok']


class TestWatch:
    def test_logs_an_outage_without_a_request(self, service, only, monkeypatch):
        failure = CheckResult('read_only', reason='25006')
        only(database=HealthCheck(function=lambda: failure, is_critical=True))
        known = Readiness(service)

        logged = Event()
        monkeypatch.setattr(readiness.log, 'warning', lambda *_: logged.set())
        thread = known.watch()

        assert logged.wait(5)
        known.stopped.set()
        thread.join(5)

    def test_logs_no_outage_of_a_dependency_that_still_starts(self, service, only, clock, caplog):
        stopped = CheckResult('stopped')
        only(tasks=HealthCheck(function=lambda: stopped, start_seconds=10, interval=0.1))
        known = Readiness(service)
        known.stopped.set()
        known.watch().join(5)
        known.stopped.clear()

        logged = []
        for clock.moment in (101.0, 109.0, 111.0):
            known.current()
            logged.append(len(caplog.messages))

        assert logged == [0, 0, 1]

    def test_logs_no_outage_after_the_service_has_stopped(self, service, only, caplog):
        only(tasks=HealthCheck(function=lambda: CheckResult('stopped')))
        known = Readiness(service)
        known.stopped.set()

        assert states(known.current()) == {'tasks': 'stopped'}
        assert caplog.messages == []


class TestRunChecks:
    def test_returns_the_state_of_each_dependency_with_its_reason(self, service, only):
        only(mail=HealthCheck(function=lambda: CheckResult('down', reason='smtp.test: no route')))

        found = run_checks(service)

        assert found['mail'].state == 'down'
        assert found['mail'].severity == 'degraded'
        assert found['mail'].result.reason == 'smtp.test: no route'
