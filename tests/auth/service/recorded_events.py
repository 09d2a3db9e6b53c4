"""Security events in the database."""

import json

from sqlalchemy import select

from project.auth.models import Event
from project.core.database.session import db


def events():
    """Return kind, actor and details of all events."""
    rows = db.session.scalars(select(Event).order_by(Event.created_at)).all()
    return [(event.event_type, event.actor, json.loads(event.details)) for event in rows]
