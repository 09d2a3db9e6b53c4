"""Checks of the settings of auth."""

from datetime import timedelta

from project.auth.config_checks import find_faults, find_warnings

GOOD = {
    'AUTH_TOKEN_LIFETIME': timedelta(days=1),
    'AUTH_REFRESH_LIFETIME': timedelta(days=1),
    'AUTH_SESSION_LIFETIME': timedelta(days=1),
}
LONGER = timedelta(days=1, minutes=1)


class TestFindFaults:
    def test_finds_none_in_good_values(self):
        assert list(find_faults(GOOD)) == []

    def test_finds_a_token_that_outlives_its_session(self):
        assert list(find_faults({**GOOD, 'AUTH_TOKEN_LIFETIME': LONGER})) == [
            'AUTH_TOKEN_MINUTES must not be longer than AUTH_SESSION_DAYS'
        ]


class TestFindWarnings:
    def test_finds_none_in_good_values(self):
        assert list(find_warnings(GOOD)) == []

    def test_finds_a_refresh_after_the_end_of_the_session(self):
        assert list(find_warnings({**GOOD, 'AUTH_REFRESH_LIFETIME': LONGER})) == [
            'AUTH_REFRESH_DAYS is longer than AUTH_SESSION_DAYS, after which a session ends'
        ]
