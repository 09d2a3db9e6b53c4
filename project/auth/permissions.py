"""What may be allowed about accounts."""

from project.core.security.permissions import register_permission

INVITE = register_permission('users:invite', 'Invite people to have an account.')
