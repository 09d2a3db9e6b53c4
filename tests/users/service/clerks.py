"""Principals of users with the role `member` and one more permission."""

from project.users.models import permissions_of
from tests.users.factories import UserFactory, principal_of


def clerk_with(permission):
    """Return the principal of a member with one more permission."""
    return principal_of(UserFactory(), permissions=permissions_of(['member']) | {permission})
