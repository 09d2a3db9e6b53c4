"""Commands `flask users`, one module per topic."""

from project.core.cli.toolkit import FeatureGroup

users_cli: FeatureGroup = FeatureGroup('users', help='Manage users.')

# These modules add their commands to the group, so they are imported after the group is defined.
from . import import_export, roles, users  # noqa: E402

__all__ = ['import_export', 'roles', 'users', 'users_cli']
