"""The security events in the database."""

import json

from sqlalchemy import select

from project.auth.models import Event
from project.core.database.session import db


def events():
    """Return the type, the actor and the details of all security events, oldest first."""
    rows = db.session.scalars(select(Event).order_by(Event.created_at)).all()
    return [(event.event_type, event.actor, json.loads(event.details)) for event in rows]
