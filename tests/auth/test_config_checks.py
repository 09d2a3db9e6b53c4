"""Configuration checks of the feature `auth`."""

from datetime import timedelta

from project.auth.config_checks import find_faults, find_warnings
from project.configuration import load_configuration
from tests.config.environment import good_environment, set_environment

GOOD = {
    'AUTH_TOKEN_LIFETIME': timedelta(days=1),
    'AUTH_REFRESH_LIFETIME': timedelta(days=1),
    'AUTH_SESSION_LIFETIME': timedelta(days=1),
}
LONGER = timedelta(days=1, minutes=1)


class TestFindFaults:
    def test_returns_nothing_for_valid_values(self):
        assert list(find_faults(GOOD)) == []

    def test_returns_a_token_lifetime_above_the_session_lifetime(self):
        assert list(find_faults({**GOOD, 'AUTH_TOKEN_LIFETIME': LONGER})) == [
            'AUTH_TOKEN_MINUTES must not be longer than AUTH_SESSION_DAYS'
        ]


class TestFindWarnings:
    def test_returns_nothing_for_valid_values(self):
        assert list(find_warnings(GOOD)) == []

    def test_returns_a_refresh_lifetime_above_the_session_lifetime(self):
        assert list(find_warnings({**GOOD, 'AUTH_REFRESH_LIFETIME': LONGER})) == [
            'AUTH_REFRESH_DAYS is longer than AUTH_SESSION_DAYS, after which a session ends'
        ]


class TestLoadConfiguration:
    def test_finds_the_faults_of_the_feature(self, monkeypatch, tmp_path):
        lifetimes = {'AUTH_SESSION_DAYS': '1', 'AUTH_TOKEN_MINUTES': '1441'}
        set_environment(monkeypatch, **good_environment(tmp_path), **lifetimes)

        [fault] = load_configuration().faults

        assert fault.startswith('AUTH_TOKEN_MINUTES must not be longer')
