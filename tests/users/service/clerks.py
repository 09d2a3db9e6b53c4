"""Principals of members with one additional permission."""

from project.users.models import permissions_of
from tests.users.factories import UserFactory, principal_of


def clerk_with(permission):
    """Return the principal of a member with one additional permission."""
    return principal_of(UserFactory(), permissions=permissions_of(['member']) | {permission})
