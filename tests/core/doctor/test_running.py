"""Evaluation of the checks of `flask doctor`: in threads, with one time limit for all."""

import threading

import pytest

from project.core.checks import (
    CheckResult,
    ConfigCheck,
    DoctorCheck,
    Finding,
    HealthCheck,
    Need,
    Situation,
    State,
    checks,
)
from project.core.doctor.running import Row, inspect_dependency, run_doctor, to_rows

NOWHERE = Situation(config={})


@pytest.fixture
def only(monkeypatch):
    """Return a function that replaces all checks: `only(clock=DoctorCheck(…))`."""
    return lambda **wanted: monkeypatch.setattr(checks, 'values', wanted)


def check_that(function, needs=Need.NOTHING):
    """Return a check that calls a function without arguments."""
    return DoctorCheck(function=lambda _: function(), needs=needs, remedy='Repair it.')


class TestRunDoctor:
    def test_fails_a_check_that_does_not_end(self, only):
        ended, begun = threading.Event(), threading.Event()

        def wait():
            yield Finding(State.WARNING, 'first')
            begun.set()
            ended.wait()

        only(silent=check_that(wait), quick=check_that(lambda: [Finding(State.OK, 'seen')]))
        try:
            found = run_doctor(NOWHERE, None, seconds=0.5)
        finally:
            ended.set()

        assert begun.is_set()
        assert [(name, finding.state) for name, finding in found] == [
            ('silent', 'warning'), ('silent', 'failed'), ('quick', 'ok'),
        ]  # fmt: skip
        assert found[1][1].seen == 'no result within 0.5 s'

    @pytest.mark.parametrize(
        ('error', 'seen'),
        [
            (ValueError('one\ntwo'), 'ValueError: one'),
            (SystemExit('no credentials'), 'no credentials'),
            (KeyError(), 'KeyError()'),
        ],
    )
    def test_fails_a_check_that_raises(self, only, error, seen):
        def fail():
            raise error
            yield

        only(broken=check_that(fail))

        assert run_doctor(NOWHERE, None) == [('broken', Finding(State.FAILED, seen))]

    def test_runs_checks_at_the_same_time(self, only):
        meeting = threading.Barrier(2, timeout=5)

        def meet():
            meeting.wait()
            yield Finding(State.OK)

        only(one=check_that(meet), two=check_that(meet))

        assert [finding.state for _, finding in run_doctor(NOWHERE, None)] == ['ok', 'ok']

    @pytest.mark.parametrize(
        ('has_config', 'reasons'),
        [(True, ['application']), (False, ['application', 'configuration'])],
    )
    def test_does_not_run_checks_without_their_precondition(self, only, has_config, reasons):
        def find():
            yield Finding(State.OK)

        only(
            app=check_that(find, Need.APPLICATION),
            config=check_that(find, Need.CONFIGURATION),
            machine=check_that(find),
        )

        found = run_doctor(NOWHERE, None, has_config=has_config)

        skipped = [finding.seen for _, finding in found if finding.state == 'not checked']
        assert skipped == [
            f'not possible without the {reason}, which cannot be loaded' for reason in reasons
        ]

    @pytest.mark.parametrize('url', ['sqlite://', 'sqlite:///:memory:?timeout=3'])
    def test_shares_the_connection_of_a_database_in_memory(self, only, kernel, url):
        app = kernel(SQLALCHEMY_DATABASE_URI=url)
        meeting = threading.Barrier(2, timeout=0.1)

        def meet():
            meeting.wait()
            yield Finding(State.OK)

        only(**{name: check_that(meet, Need.APPLICATION) for name in ('one', 'two')})

        found = run_doctor(NOWHERE, app)

        assert {finding.seen for _, finding in found} == {'BrokenBarrierError()'}


class TestWithoutDatabase:
    @pytest.fixture
    def lost(self, kernel):
        """Return an application whose database does not respond."""
        return kernel(SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none')

    def test_does_not_check_what_needs_the_database(self, lost):
        found = dict(run_doctor(NOWHERE, lost, names={'database', 'migrations', 'tasks'}))

        assert found.pop('database').state == 'failed'
        seen = 'not possible: the check of the database has failed'
        assert found == {
            name: Finding(State.NOT_CHECKED, seen, remedy='') for name in ('migrations', 'tasks')
        }

    def test_keeps_other_failures(self, lost, only):
        database = checks.values['database']

        def fail():
            raise OSError('no disk')
            yield

        only(database=database, disk=check_that(fail))

        assert dict(run_doctor(NOWHERE, lost))['disk'] == Finding(State.FAILED, 'OSError: no disk')

    def test_fails_if_only_the_tables_are_missing(self, kernel, tmp_path):
        app = kernel(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/new')

        found = dict(run_doctor(NOWHERE, app, names={'database', 'migrations', 'tasks'}))

        assert {name: each.state for name, each in found.items()} == {
            'database': 'ok', 'migrations': 'failed', 'tasks': 'failed',
        }  # fmt: skip


class TestInspectDependency:
    @pytest.mark.parametrize(
        ('is_critical', 'state', 'expected'),
        [
            (True, 'behind', 'failed'), (False, 'down', 'failed'), (False, 'silent', 'failed'),
            (False, 'late', 'warning'), (True, 'ahead', 'ok'), (False, 'ok', 'ok'),
        ],
    )  # fmt: skip
    def test_translates_the_states_of_readyz(self, is_critical, state, expected):
        check = HealthCheck(
            function=lambda: CheckResult(state, reason='so it is'), is_critical=is_critical
        )

        [found] = inspect_dependency(check, {})

        assert (found.state, found.seen) == (expected, f'{state}: so it is')

    def test_checks_no_dependency_that_is_not_configured(self):
        check = HealthCheck(function=pytest.fail, is_configured=lambda config: config['URL'] != '')

        [found] = inspect_dependency(check, {'URL': ''})

        assert (found.state, found.remedy) == ('not checked', '')


class TestToRows:
    @pytest.fixture(autouse=True)
    def _checks(self, only):
        only(a=check_that(list), b=check_that(list))

    def test_sorts_failures_first(self):
        found = [('a', Finding(state)) for state in (State.OK, State.WARNING, State.NOT_CHECKED)]

        rows = to_rows([*found, ('b', Finding(State.FAILED))], is_deploy=False)

        assert [row.state for row in rows] == ['failed', 'warning', 'not checked', 'ok']

    @pytest.mark.parametrize('state', [State.WARNING, State.OK])
    @pytest.mark.parametrize(('is_deploy', 'fails'), [(True, True), (False, False)])
    def test_fails_before_a_deployment_for_insecure_settings(self, state, is_deploy, fails):
        [row] = to_rows([('a', Finding(state, fails_deploy=True))], is_deploy=is_deploy)

        assert row.state == ('failed' if fails else state)

    def test_keeps_other_warnings_before_a_deployment(self):
        [row] = to_rows([('a', Finding(State.WARNING))], is_deploy=True)

        assert row.state == 'warning'

    @pytest.mark.parametrize(
        ('finding', 'remedy'),
        [
            (Finding(State.FAILED), 'Repair it.'),
            (Finding(State.FAILED, remedy='Mend it.'), 'Mend it.'),
            (Finding(State.NOT_CHECKED, remedy=''), ''),
            (Finding(State.OK), ''),
        ],
    )
    def test_adds_the_remedy(self, finding, remedy):
        assert to_rows([('a', finding)], is_deploy=False) == [Row('a', finding.state, '', remedy)]


class TestRegistry:
    def test_has_a_remedy_and_moments_for_each_check(self):
        for name, check in checks.values.items():
            assert check.remedy, name
            assert check.moments, name
            assert '\n' not in check.remedy, name

    def test_runs_the_same_health_checks_as_readyz(self):
        both = {n for n, check in checks.values.items() if isinstance(check, HealthCheck)}

        assert {'database', 'migrations', 'storage', 'mail', 'tasks', 'redis', 'broker'} <= both
        assert all('`flask doctor`' in checks.values[name].moments for name in both)

    def test_has_the_checks_of_the_start(self):
        found = {n for n, check in checks.values.items() if isinstance(check, ConfigCheck)}

        assert {'configuration', 'core_configuration'} <= found
