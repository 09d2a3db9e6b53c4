"""Tokens of the kinds of auth, for the tests of all kinds of tokens."""

from project.auth.service import create_key, identify, log_in, refresh_session
from project.core.security.tokens import token_kinds
from tests.users.factories import principal_of

from .factories import PASSWORD


def issue_key(user):
    """Return an API key, and a function that uses it."""
    token = create_key(principal_of(user), name='ci', scopes=['profile:read'])['key']
    return token, lambda: identify(token)


def issue_session(user):
    """Return the token of a session, and a function that uses it."""
    token = _log_in(user).token
    return token, lambda: identify(token)


def issue_refresh_token(user):
    """Return a refresh token, and a function that uses it."""
    token = _log_in(user).refresh_token
    return token, lambda: refresh_session(token)


def issue_device(user):
    """Return the token of a known device, and a function that finds its owner."""
    token = _log_in(user).device
    return token, lambda: token_kinds()['pdv'].find_owner(token)


def _log_in(user):
    return log_in(user_or_email=user.username, password=PASSWORD)


# The function that issues a token of each kind, by prefix.
ISSUERS = {
    'pak': issue_key,
    'pst': issue_session,
    'prt': issue_refresh_token,
    'pdv': issue_device,
}
