"""The sweeper: what has expired opens nothing any more, and need not be kept."""

from sqlalchemy import delete, func, select

from project.auth.models import Pin, Registration, Session
from project.core.clock import now
from project.core.data.database import atomic, db, read
from project.core.data.tasks import task

# Each with the moment from which it opens nothing any more.
EXPIRING = (
    (Session, Session.lapses_at),
    (Registration, Registration.expires_at),
    (Pin, Pin.expires_at),
)


@atomic()
def sweep(*, dry_run: bool = False) -> dict[str, int]:
    """Delete sessions, registrations and PINs whose time is over, and return how many of each."""
    removed = {}
    for model, ends in EXPIRING:
        over = ends <= now()
        found = read(select(func.count()).where(over)).scalar_one()
        removed[model.__tablename__.removeprefix('auth_')] = int(found)
        if not dry_run:
            db.session.execute(delete(model).where(over))
    return removed


@task(cron='17 3 * * *')
def sweep_expired() -> None:
    """Sweep by itself, every night. Run twice, it finds nothing the second time."""
    sweep()
