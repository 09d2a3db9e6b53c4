"""The registry of health checks."""

import pytest

from project.core.checks import CheckResult, HealthCheck, checks
from project.core.registration import RegistrationError


class TestHealthCheck:
    @pytest.mark.parametrize('limits', [{'time_limit': 2.1}, {'interval': 6.1}, {'time_limit': 0}])
    def test_rejects_limits_that_delay_responses_or_make_states_old(self, limits):
        with pytest.raises(ValueError, match='at most'):
            HealthCheck(function=CheckResult, **limits)

    @pytest.mark.parametrize(
        ('is_critical', 'state', 'severity'),
        [
            (True, 'ok', 'ready'),
            (True, 'ahead', 'ready'),
            (True, 'down', 'unready'),
            (True, 'full', 'degraded'),
            (False, 'ok', 'ready'),
            (False, 'down', 'degraded'),
        ],
    )
    def test_returns_the_severity_of_a_state(self, is_critical, state, severity):
        check = HealthCheck(
            function=CheckResult, is_critical=is_critical, degraded_states=frozenset({'full'})
        )

        assert check.severity(state) == severity


class TestRegisterHealthCheck:
    def test_rejects_a_second_check_with_the_same_name(self):
        check = checks.values['database']

        with pytest.raises(RegistrationError, match=r'check .database.'):
            checks.register('database', check, owner=__name__)
