"""Members with one permission more than others."""

from project.users.models import permissions_of
from tests.users.factories import UserFactory, principal_of


def clerk_with(permission):
    """Return a member who holds one permission more than others, as who asks."""
    return principal_of(UserFactory(), permissions=permissions_of(['member']) | {permission})
