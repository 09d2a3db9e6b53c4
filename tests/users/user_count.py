"""The number of users in the database."""

from sqlalchemy import func, select

from project.core.database.session import db
from project.users.models import User


def count():
    """Return how many users there are."""
    return db.session.scalar(select(func.count()).select_from(User))
