"""Objects of the feature `auth`, for the tables of preconditions and of examples."""

from typing import Any

from tests.auth.factories import CredentialFactory

# The requests with an example that fails, and the missing value.
INCOMPLETE_EXAMPLES = {
    'PUT email_change_replace': 'the PIN of a mail',
    'PUT invitation_replace': 'the code of a mail',
    'PUT password_reset_replace': 'the PIN of a mail',
    'PUT totp_replace': 'a code of an authenticator',
    'PUT verification_replace': 'the PIN of a mail',
    'POST session_reauthenticate': 'a session: the test client has none',
    'POST session_refresh': 'the refresh token of a session',
}


def url_arguments(_app: Any, _client: Any, caller: Any) -> dict[str, Any]:
    """Give the caller the password of the examples."""
    CredentialFactory(user=caller)
    return {}
