"""Configuration checks of the feature `auth`."""

from datetime import timedelta

from project.auth.config_checks import find_faults, find_warnings

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
