"""Export and erasure of personal data of the feature `auth`. The export contains no secrets."""

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
from project.core.database.cleanup import delete_batch
from project.core.database.session import db, execute_select
from project.users import service as users
from project.users.models import email_key
from project.users.personal_data import ExportFile, json_part, register_personal_data

from .email_changes import email_change_purpose
from .security_events import list_all_events

# Delete sessions before devices, because sessions reference devices.
MODELS_BY_USER: tuple[Any, ...] = (
    Session, Device, ApiKey, Totp, RecoveryCode, EmailChange, Event, Credential,
)  # fmt: skip
MODELS_BY_EMAIL: tuple[Any, ...] = (Pin, Registration, Invitation)

# Each column is listed, so that a new column is not exported by accident.
EXPORTED_COLUMNS: dict[Any, tuple[Any, ...]] = {
    Session: (
        Session.id, Session.ip_address.label('address'), Session.user_agent, Session.created_at,
        Session.authenticated_at, Session.last_used_at, Session.refreshed_at, Session.expires_at,
        Session.refresh_expires_at.label('lapses_at'),
        Session.absolute_expires_at.label('ends_at'),
    ),
    Device: (
        Device.id, Device.network, Device.user_agent, Device.created_at, Device.last_used_at,
        Device.has_passed_second_factor, Device.expires_at,
    ),
    ApiKey: (
        ApiKey.id, ApiKey.name, ApiKey.prefix.label('hint'), ApiKey.scopes, ApiKey.created_at,
        ApiKey.expires_at, ApiKey.last_used_at,
    ),
    Totp: (Totp.created_at, Totp.confirmed_at),
    EmailChange: (EmailChange.email, EmailChange.expires_at),
    Credential: (Credential.changed_at, Credential.expires_at),
    Registration: (
        Registration.username, Registration.email, Registration.name, Registration.created_at,
        Registration.expires_at,
    ),
    Invitation: (
        Invitation.email, Invitation.roles, Invitation.created_at, Invitation.expires_at,
    ),
}  # fmt: skip


def export_file_of(model: Any) -> str:
    """Return the name of the file with the rows of a table in an export of personal data."""
    name = 'keys' if model is ApiKey else model.__tablename__.removeprefix('auth_')
    return f'auth/{name}.json'


def export_account(user_id: int) -> Iterator[ExportFile]:
    """Yield the export files of a user's credentials, sessions and events.

    They contain no secrets.
    """
    key = email_key(users.get_user(user_id).email)
    for model, columns in EXPORTED_COLUMNS.items():
        whose = model.user_id == user_id if model in MODELS_BY_USER else model.email_key == key
        yield json_part(export_file_of(model), execute_select(select(*columns).where(whose)))
    sent = select(*EXPORTED_COLUMNS[Invitation]).where(Invitation.invited_by == user_id)
    yield json_part('auth/invitations-sent.json', execute_select(sent))
    yield json_part(export_file_of(Event), map(_event, list_all_events(user_id)))


@register_personal_data(
    'auth',
    tables={
        # Not exported: these tables contain only hashes.
        **dict.fromkeys(('auth_pins', 'auth_recovery_codes')),
        **{model.__tablename__: export_file_of(model) for model in (*EXPORTED_COLUMNS, Event)},
    },
    export=export_account,
)
def erase_account_data(user_id: int) -> bool:
    """Delete a batch of the rows of a deleted user.

    :returns: whether there may be more rows.
    """
    return any(delete_batch(model, model.user_id == user_id) for model in MODELS_BY_USER)


def close_account(user_id: int, email: str) -> None:
    """Delete the secrets of a user who is being deleted, and all pending rows of the email address.

    Call it inside `atomic`. Another user may register the email address immediately afterwards, and
    must not inherit these rows. Sessions, devices and events may be many, so a task deletes them
    later. In the meantime, the guard rejects the sessions because their user does not exist.
    """
    for model in (Credential, ApiKey, Totp, RecoveryCode, EmailChange):
        db.session.execute(delete(model).where(model.user_id == user_id))
    for model in MODELS_BY_EMAIL:
        db.session.execute(delete(model).where(model.email_key == email_key(email)))
    db.session.execute(delete(Invitation).where(Invitation.invited_by == user_id))
    db.session.execute(delete(Pin).where(Pin.purpose == email_change_purpose(user_id)))


def _event(event: Any) -> dict[str, Any]:
    shown = event._asdict()
    return {**shown, 'details': json.loads(shown['details'])}
