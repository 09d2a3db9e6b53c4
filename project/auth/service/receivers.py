"""Watching: what users announces, written down as security events, in the sender's transaction."""

from project.users.signals import (
    export_requested,
    role_changed,
    user_disabled,
    user_enabled,
    user_roles_changed,
    users_created,
)

from .security_events import OPERATOR, record


@users_created.connect
def note_created(_sender: object, *, user_ids: list[int], invite: bool, by: int | None) -> None:
    """Write down who made users; that somebody registered is known already."""
    for user_id in user_ids:
        record('user_created', user_id, actor=f'user:{by}' if by else None, invited=invite)


@user_disabled.connect
def note_disabled(_sender: object, *, user_id: int) -> None:
    """Write down that a user was locked out."""
    record('user_disabled', user_id, actor=OPERATOR)


@user_enabled.connect
def note_enabled(_sender: object, *, user_id: int) -> None:
    """Write down that a user was let in again."""
    record('user_enabled', user_id, actor=OPERATOR)


@user_roles_changed.connect
def note_roles(
    _sender: object, *, user_id: int, was: list[str], roles: list[str], by: int | None
) -> None:
    """Write down who has which roles now."""
    record('user_roles_changed', user_id, actor=_actor(by), was=was, roles=roles)


@role_changed.connect
def note_role(_sender: object, *, name: str, by: int | None) -> None:
    """Write down that a role allows something else now."""
    record('role_changed', None, actor=_actor(by), role=name)


@export_requested.connect
def note_export(_sender: object, *, user_id: int) -> None:
    """Write down that all that is kept about a user was asked for."""
    record('export_requested', user_id)


def _actor(by: int | None) -> str:
    return OPERATOR if by is None else f'user:{by}'
