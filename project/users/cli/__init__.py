"""`flask users`, by topic."""

from project.core.cli.toolkit import FeatureGroup

users_cli: FeatureGroup = FeatureGroup('users', help='Look after users.')

# The topics add their commands to the group, so they are imported after it.
from . import import_export, roles, users  # noqa: E402

__all__ = ['import_export', 'roles', 'users', 'users_cli']
