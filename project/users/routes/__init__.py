"""Routes of the feature `users`, one module per topic."""

from flask import Blueprint

blueprint = Blueprint('users', 'project.users', url_prefix='/users', template_folder='templates')

# These modules add their routes to the blueprint, so they are imported after the blueprint is
# created.
from . import (  # noqa: E402
    avatars,
    exports,
    roles,
    users,
)

__all__ = ['avatars', 'blueprint', 'exports', 'roles', 'users']
