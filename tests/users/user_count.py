"""The number of users in the database."""

from sqlalchemy import func, select

from project.core.database.session import db
from project.users.models import User


def count():
    """Return the number of users."""
    return db.session.scalar(select(func.count()).select_from(User))
