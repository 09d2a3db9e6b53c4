"""Tokens of share links, for the tests of all kinds of tokens."""

from project.files.service import create_link, resolve_link
from tests.users.factories import principal_of

from .file_io import store


def issue_link(user):
    """Return the token of a share link, and a function that uses it."""
    token = create_link(principal_of(user), store(user.id).id)['token']
    return token, lambda: resolve_link(token)


# The function that issues a token of each kind, by prefix.
ISSUERS = {'psl': issue_link}
