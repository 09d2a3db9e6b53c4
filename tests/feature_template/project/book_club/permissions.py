"""Permissions of `book_club`. Both allow access only to the user's own rows."""

from project.core.security.permissions import register_permission

READ = register_permission(
    'book_club:read', 'Read your own book club.', owner=__name__, default=True
)
WRITE = register_permission(
    'book_club:write', 'Create, change and delete your own book club.', owner=__name__, default=True
)
