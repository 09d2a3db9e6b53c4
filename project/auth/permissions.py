"""What may be allowed about accounts."""

from project.core.permissions import declare

INVITE = declare('users:invite', 'Invite people to have an account.')
