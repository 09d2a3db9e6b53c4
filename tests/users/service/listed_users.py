"""The usernames that `list_users` returns."""

from project.core.database.keyset_pagination import PageRequest
from project.users import service


def usernames(**request):
    """Return the usernames on one page of `list_users`."""
    return [user.username for user in service.list_users(PageRequest(**request)).items]
