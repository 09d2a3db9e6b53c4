"""What may be allowed about accounts."""

from project.core.security.permissions import declare

INVITE = declare('users:invite', 'Invite people to have an account.')
