"""Deletion of expired rows of the feature `auth`."""

from collections.abc import Iterator
from datetime import timedelta

from flask import current_app

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
from project.core.database.cleanup import (
    CleanupBatch,
    Expired,
    delete_expired_rows,
    finish_cleanup,
)
from project.core.tasks import task

# An expired API key stays visible, so that its owner sees why a program stopped working.
EXPIRED_KEY_RETENTION = timedelta(days=30)


def expired_rows() -> Expired:
    """Return the tables of the feature `auth` that have expired rows, by their name for operators.

    Each value is a column and a limit. A row has expired if its value in this column is earlier
    than the limit.
    """
    moment = now()
    return {
        'sessions': (Session.refresh_expires_at, moment),
        'registrations': (Registration.expires_at, moment),
        'pins': (Pin.expires_at, moment),
        'invitations': (Invitation.expires_at, moment),
        'email_changes': (EmailChange.expires_at, moment),
        'devices': (Device.expires_at, moment),
        'credentials': (Credential.expires_at, moment),
        'keys': (ApiKey.expires_at, moment - EXPIRED_KEY_RETENTION),
        'events': (Event.created_at, moment - current_app.config['AUTH_EVENTS_LIFETIME']),
    }


def delete_expired(*, dry_run: bool = False) -> Iterator[CleanupBatch]:
    """Delete the expired rows of each table of the feature `auth`, batch by batch.

    Security events are kept for `AUTH_EVENTS_DAYS`, API keys for 30 days after their expiry. If an
    error occurs in one table, the cleanup continues with the next table.
    """
    return delete_expired_rows(expired_rows(), dry_run=dry_run)


@task(
    idempotent='a second run continues after the last batch',
    queue='slow',
    cron='17 3 * * *',
    time_limit=timedelta(hours=6),
)
def delete_expired_nightly() -> None:
    """Delete expired rows every night.

    :raises CleanupFailed: if the cleanup of a table failed; the task is retried.
    """
    finish_cleanup(delete_expired())
