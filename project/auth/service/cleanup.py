"""The sweeper: what has expired opens nothing any more, and need not be kept."""

from datetime import timedelta

from flask import current_app
from sqlalchemy import delete, func, select

from project.auth.models import (
    ApiKey,
    Device,
    EmailChange,
    Event,
    Invitation,
    Pin,
    Registration,
    Session,
)
from project.core.clock import now
from project.core.database.session import atomic, db, read
from project.core.tasks import task

# An API key is shown for a while after its end, so that its owner sees why a program stopped.
KEYS_SHOWN = timedelta(days=30)


@atomic()
def sweep(*, dry_run: bool = False) -> dict[str, int]:
    """Delete what has expired in every table of auth, and return how much of each.

    Security events are kept for `AUTH_EVENTS_DAYS`, API keys for 30 days after their end.
    """
    moment = now()
    over = {
        Session: Session.lapses_at <= moment,
        Registration: Registration.expires_at <= moment,
        Pin: Pin.expires_at <= moment,
        Invitation: Invitation.expires_at <= moment,
        EmailChange: EmailChange.expires_at <= moment,
        Device: Device.expires_at <= moment,
        ApiKey: ApiKey.expires_at <= moment - KEYS_SHOWN,
        Event: Event.created_at <= moment - current_app.config['AUTH_EVENTS_LIFETIME'],
    }
    removed = {}
    for model, is_over in over.items():
        found = read(select(func.count()).where(is_over)).scalar_one()
        removed[model.__tablename__.removeprefix('auth_')] = int(found)
        if not dry_run:
            db.session.execute(delete(model).where(is_over))
    return removed


@task(cron='17 3 * * *')
def sweep_expired() -> None:
    """Sweep by itself, every night. Run twice, it finds nothing the second time."""
    sweep()
