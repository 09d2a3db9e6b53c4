"""Routes of the feature `auth`, one module per topic."""

from flask import Blueprint

blueprint = Blueprint('auth', 'project.auth', url_prefix='/auth', template_folder='templates')

# These modules add their routes to the blueprint, so they are imported after the blueprint is
# created.
from . import (  # noqa: E402
    accounts,
    api_keys,
    email_changes,
    invitations,
    passwords,
    second_factors,
    security_events,
    sessions,
)

__all__ = [
    'accounts',
    'api_keys',
    'blueprint',
    'email_changes',
    'invitations',
    'passwords',
    'second_factors',
    'security_events',
    'sessions',
]
