"""Rows that the models of `book_club` return."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID


class RareBookCondition(Enum):
    """The values of `condition`."""

    fine = 'fine'
    damaged = 'damaged'


class RareBookRow(NamedTuple):
    """A rare book."""

    id: UUID
    title: str
    shelf_mark: str
    subtitle: str | None
    summary: str
    page_count: int
    price: Decimal
    signed: bool
    printed_on: date
    found_at: datetime
    lot: UUID
    details: dict[str, Any]
    condition: RareBookCondition
    dealer_id: int
    version: int
    created_at: datetime
    updated_at: datetime
