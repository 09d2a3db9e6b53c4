"""What may be allowed about files: everybody their own, nobody another's."""

from project.core.security.permissions import register_permission

READ = register_permission(
    'files:read', "See and download one's own files.", owner=__name__, default=True
)
WRITE = register_permission(
    'files:write', "Upload, change and delete one's own files.", owner=__name__, default=True
)
