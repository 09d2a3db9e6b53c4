"""Roles: named sets of the permissions that features declare."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, String, Table, event, insert
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.data.database import Base
from project.core.data.types import UTCDateTime, Words
from project.users.permissions import BUILT_IN


class RoleDefinition(Base):
    """What a role allows. Of the built-in ones the code decides that; their rows keep the names."""

    __tablename__ = 'users_role_definitions'

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    permissions: Mapped[list[str]] = mapped_column(Words)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


@event.listens_for(RoleDefinition.__table__, 'after_create')
def add_built_in(table: Table, connection: Connection, **_: Any) -> None:
    """Give a new database the roles that everybody knows, as the migration does."""
    connection.execute(insert(table), [{'name': name, 'permissions': []} for name in BUILT_IN])
