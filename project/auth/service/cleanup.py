"""The sweeper: what has expired opens nothing any more, and need not be kept."""

from datetime import timedelta

from flask import current_app
from sqlalchemy import func, select

from project.auth.models import (
    ApiKey,
    Credential,
    Device,
    EmailChange,
    Event,
    Invitation,
    Pin,
    Registration,
    Session,
)
from project.core.clock import now
from project.core.database.cleanup import delete_unlocked
from project.core.database.session import atomic, execute_select
from project.core.tasks import task

# An API key is shown for a while after its end, so that its owner sees why a program stopped.
EXPIRED_KEY_RETENTION = timedelta(days=30)


@atomic()
def delete_expired(*, dry_run: bool = False) -> dict[str, int]:
    """Delete what has expired in every table of auth, and return how much of each.

    Security events are kept for `AUTH_EVENTS_DAYS`, API keys for 30 days after their end.
    """
    moment = now()
    expired = {
        'sessions': (Session, Session.refresh_expires_at <= moment),
        'registrations': (Registration, Registration.expires_at <= moment),
        'pins': (Pin, Pin.expires_at <= moment),
        'invitations': (Invitation, Invitation.expires_at <= moment),
        'email_changes': (EmailChange, EmailChange.expires_at <= moment),
        'devices': (Device, Device.expires_at <= moment),
        'credentials': (Credential, Credential.expires_at <= moment),
        'keys': (ApiKey, ApiKey.expires_at <= moment - EXPIRED_KEY_RETENTION),
        'events': (Event, Event.created_at <= moment - current_app.config['AUTH_EVENTS_LIFETIME']),
    }
    removed = {}
    for name, (model, is_expired) in expired.items():
        found = execute_select(select(func.count()).select_from(model).where(is_expired))
        removed[name] = int(found.scalar_one())
        if not dry_run:
            delete_unlocked(model, is_expired)
    return removed


@task(cron='17 3 * * *')
def delete_expired_nightly() -> None:
    """Sweep by itself, every night. Run twice, it finds nothing the second time."""
    delete_expired()
