"""Routes of the users feature, one module per topic."""

from flask import Blueprint

blueprint = Blueprint('users', 'project.users', url_prefix='/users', template_folder='templates')

# The modules add their routes to the blueprint, so they are imported after it.
from . import (  # noqa: E402
    avatars,
    exports,
    roles,
    users,
)

__all__ = ['avatars', 'blueprint', 'exports', 'roles', 'users']
