"""A cause for each check of `auth` because of which it fails."""

from datetime import timedelta

from tests.failing_checks import Failure

LONG = {'AUTH_TOKEN_LIFETIME': timedelta(days=400), 'AUTH_SESSION_LIFETIME': timedelta(days=1)}

FAILURES = (Failure('auth_configuration', 'AUTH_TOKEN_MINUTES must not be longer', lambda _: LONG),)
