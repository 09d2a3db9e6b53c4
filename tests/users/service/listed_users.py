"""Usernames on a page of users."""

from project.core.database.keyset_pagination import PageRequest
from project.users import service


def usernames(**request):
    """Return the usernames on a page."""
    return [user.username for user in service.list_users(PageRequest(**request)).items]
