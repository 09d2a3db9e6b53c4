"""Receivers of the signals of the feature `users`. They run in the transaction of the sender.

The receivers in this module record security events.
"""

from uuid import UUID

from project.users.signals import (
    credential_created,
    credential_deleted,
    export_requested,
    role_changed,
    user_deleted,
    user_disabled,
    user_email_changed,
    user_enabled,
    user_roles_changed,
    username_changed,
    users_created,
)

from .email_changes import on_user_email_changed
from .invitations import on_users_created_invite
from .personal_data import close_account
from .security_events import OPERATOR, actor_of, record_security_event
from .sessions import on_user_disabled_revoke_credentials


def connect_receivers() -> None:
    """Connect the receivers of the feature `auth` to the signals of `users`. Idempotent."""
    users_created.connect(on_users_created)
    user_disabled.connect(on_user_disabled)
    user_enabled.connect(on_user_enabled)
    username_changed.connect(on_username_changed)
    user_deleted.connect(on_user_deleted)
    user_roles_changed.connect(on_user_roles_changed)
    role_changed.connect(on_role_changed)
    export_requested.connect(on_export_requested)
    credential_created.connect(on_credential_created)
    credential_deleted.connect(on_credential_deleted)
    user_disabled.connect(on_user_disabled_revoke_credentials)
    users_created.connect(on_users_created_invite)
    user_email_changed.connect(on_user_email_changed)


def on_users_created(_sender: object, *, user_ids: list[int], invite: bool, by: int | None) -> None:
    """Record the creation of users by an operator or another user.

    Registered users are recorded by `register`.
    """
    for user_id in user_ids:
        record_security_event(
            'user_created', user_id, actor=f'user:{by}' if by else None, invited=invite
        )


def on_user_disabled(_sender: object, *, user_id: int) -> None:
    """Record that a user was disabled."""
    record_security_event('user_disabled', user_id, actor=OPERATOR)


def on_user_enabled(_sender: object, *, user_id: int) -> None:
    """Record that a user was enabled again."""
    record_security_event('user_enabled', user_id, actor=OPERATOR)


def on_username_changed(_sender: object, *, user_id: int, by: int | None) -> None:
    """Record a changed username."""
    record_security_event('username_changed', user_id, actor=actor_of(by))


def on_user_deleted(_sender: object, *, user_id: int, email: str, by: int | None) -> None:
    """Close the account of a deleted user, and record the deletion.

    The event has no `user_id`, so that the erasure of the user's data does not delete the event.
    """
    close_account(user_id, email)
    record_security_event('user_deleted', None, actor=actor_of(by, user_id), user=user_id)


def on_user_roles_changed(
    _sender: object, *, user_id: int, was: list[str], roles: list[str], by: int | None
) -> None:
    """Record the old and new roles of a user."""
    record_security_event('user_roles_changed', user_id, actor=actor_of(by), was=was, roles=roles)


def on_role_changed(_sender: object, *, name: str, by: int | None) -> None:
    """Record that the permissions of a role were changed."""
    record_security_event('role_changed', None, actor=actor_of(by), role=name)


def on_export_requested(_sender: object, *, user_id: int) -> None:
    """Record that an export of a user's data was requested."""
    record_security_event('export_requested', user_id)


def on_credential_created(_sender: object, *, user_id: int, kind: str, credential: UUID) -> None:
    """Record that a feature issued a credential for a user."""
    record_security_event('credential_created', user_id, type=kind, credential=str(credential))


def on_credential_deleted(_sender: object, *, user_id: int, kind: str, credential: UUID) -> None:
    """Record that a credential of a user was revoked."""
    record_security_event('credential_deleted', user_id, type=kind, credential=str(credential))
