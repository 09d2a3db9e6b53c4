"""Named values that all processes share. Each is a row in `core_values`."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import LargeBinary, String, bindparam, select
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now

from .compiled_query import CompiledQuery
from .session import Base, execute_in_own_transaction, execute_select
from .types import UTCDateTime
from .upsert import insert_or_ignore


class SharedValue(Base):
    """A value with a name, shared by all processes."""

    __tablename__ = 'core_values'

    name: Mapped[str] = mapped_column(String(96), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)


class _ValueRow(NamedTuple):
    value: bytes


_by_name = CompiledQuery(
    _ValueRow, select(SharedValue.value).where(SharedValue.name == bindparam('name'))
)


def find_value(name: str) -> bytes | None:
    """Return the value stored under a name, or None."""
    row = _by_name.first(name=name)
    return None if row is None else bytes(row.value)


def has_value_below(prefix: str) -> bool:
    """Return whether a name with this prefix has a value."""
    below = SharedValue.name.startswith(prefix, autoescape=True)
    return execute_select(select(SharedValue.name).where(below).limit(1)).first() is not None


def insert_value(name: str, value: bytes) -> None:
    """Store a value in a separate transaction, unless the name already has one."""
    row = {'name': name, 'value': value, 'changed_at': now()}
    execute_in_own_transaction(insert_or_ignore(SharedValue).values(row))
