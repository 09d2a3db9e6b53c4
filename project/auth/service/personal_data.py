"""What auth holds about a user: how it is shown, without secrets, and how it is let go of."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import delete, select

from project.auth.models import (
    ApiKey,
    Credential,
    Device,
    EmailChange,
    Event,
    Invitation,
    Pin,
    RecoveryCode,
    Registration,
    Session,
    Totp,
)
from project.core.database.session import db, read
from project.users import service as users
from project.users.models import email_key
from project.users.personal_data import Part, holds, json_part

from .email_changes import change_of
from .security_events import list_all_events

# Sessions before the devices that they were opened from.
OF_USER: tuple[Any, ...] = (
    Session, Device, ApiKey, Totp, RecoveryCode, EmailChange, Event, Credential,
)  # fmt: skip
AT_ADDRESS: tuple[Any, ...] = (Pin, Registration, Invitation)

# What is shown of each: column by column, so that a new one is not shown because nobody thought.
SHOWN: dict[Any, tuple[Any, ...]] = {
    Session: (
        Session.id, Session.address, Session.user_agent, Session.created_at,
        Session.authenticated_at, Session.last_used_at, Session.refreshed_at, Session.expires_at,
        Session.lapses_at, Session.ends_at,
    ),
    Device: (
        Device.id, Device.network, Device.user_agent, Device.created_at, Device.last_used_at,
        Device.expires_at,
    ),
    ApiKey: (
        ApiKey.id, ApiKey.name, ApiKey.hint, ApiKey.scopes, ApiKey.created_at, ApiKey.expires_at,
        ApiKey.last_used_at,
    ),
    Totp: (Totp.created_at, Totp.confirmed_at),
    EmailChange: (EmailChange.email, EmailChange.expires_at),
    Credential: (Credential.changed_at,),
    Registration: (
        Registration.username, Registration.email, Registration.name, Registration.created_at,
        Registration.expires_at,
    ),
    Invitation: (
        Invitation.email, Invitation.roles, Invitation.created_at, Invitation.expires_at,
    ),
}  # fmt: skip


def part_of(model: Any) -> str:
    """Return which part of an export shows a table."""
    return f'auth/{model.__tablename__.removeprefix("auth_")}.json'


def export_account(user_id: int) -> Iterator[Part]:
    """Yield what is known about a user's ways in, and what happened to them; no secret of any."""
    key = email_key(users.get_user(user_id).email)
    for model, columns in SHOWN.items():
        whose = model.user_id == user_id if model in OF_USER else model.email_key == key
        yield json_part(part_of(model), read(select(*columns).where(whose)))
    sent = select(*SHOWN[Invitation]).where(Invitation.invited_by == user_id)
    yield json_part('auth/invitations-sent.json', read(sent))
    yield json_part(part_of(Event), map(_event, list_all_events(user_id)))


@holds(
    'auth',
    tables={
        # Of PINs and recovery codes there are only hashes.
        **dict.fromkeys(('auth_pins', 'auth_recovery_codes')),
        **{model.__tablename__: part_of(model) for model in (*SHOWN, Event)},
    },
    export=export_account,
)
def forget_account(user_id: int) -> None:
    """Let go of all that a user could prove themselves with, and of what was written down.

    And of what waits at their address, and of the invitations that they have sent.
    """
    key = email_key(users.get_user(user_id).email)
    for model in OF_USER:
        db.session.execute(delete(model).where(model.user_id == user_id))
    for model in AT_ADDRESS:
        db.session.execute(delete(model).where(model.email_key == key))
    db.session.execute(delete(Invitation).where(Invitation.invited_by == user_id))
    db.session.execute(delete(Pin).where(Pin.purpose == change_of(user_id)))


def _event(event: Any) -> dict[str, Any]:
    shown = event._asdict()
    return {**shown, 'details': json.loads(shown['details'])}
