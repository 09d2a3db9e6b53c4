"""Permissions of the feature `files`. Both only concern the user's own files."""

from project.core.security.permissions import register_permission

READ = register_permission(
    'files:read', 'View and download your own files.', owner=__name__, default=True
)
WRITE = register_permission(
    'files:write', 'Upload, change and delete your own files.', owner=__name__, default=True
)
