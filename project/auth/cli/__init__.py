"""Commands `flask create-user` and `flask auth`, one module per topic."""

from project.core.cli.toolkit import FeatureGroup

auth_cli: FeatureGroup = FeatureGroup(
    'auth', help='Manage sessions, API keys, attempt counters and security events.'
)

# These modules add their commands to the group, so they are imported after the group is defined.
from . import api_keys, security_events, sessions  # noqa: E402
from .accounts import create_user  # noqa: E402

__all__ = ['api_keys', 'auth_cli', 'create_user', 'security_events', 'sessions']
