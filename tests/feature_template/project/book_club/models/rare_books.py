"""Table of rare books."""

from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    ColumnElement,
    Enum,
    ForeignKey,
    Index,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from project.book_club.rows import (
    RareBookCondition,
    RareBookRow,
)
from project.core.clock import now
from project.core.database.compiled_query import CompiledQuery
from project.core.database.keyset_pagination import Keyset
from project.core.database.session import AnySelect, Base, db
from project.core.database.types import UTCDateTime


class RareBook(Base):
    """A rare book of a user."""

    __tablename__ = 'book_club_rare_books'
    __table_args__ = (
        Index(None, 'owner_id', 'created_at', 'id'),
        UniqueConstraint('owner_id', 'shelf_mark'),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    owner_id: Mapped[int] = mapped_column(ForeignKey('users.id'))
    title: Mapped[str] = mapped_column(String(200))
    shelf_mark: Mapped[str] = mapped_column(String(200))
    subtitle: Mapped[str | None] = mapped_column(String(200))
    summary: Mapped[str] = mapped_column(Text)
    page_count: Mapped[int] = mapped_column()
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    signed: Mapped[bool] = mapped_column()
    printed_on: Mapped[date] = mapped_column()
    found_at: Mapped[datetime] = mapped_column(UTCDateTime)
    lot: Mapped[UUID] = mapped_column()
    details: Mapped[dict[str, Any]] = mapped_column(JSON(none_as_null=True))
    condition: Mapped[RareBookCondition] = mapped_column(
        Enum(RareBookCondition, native_enum=False, length=50)
    )
    dealer_id: Mapped[int] = mapped_column(ForeignKey('users.id'), index=True)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    @classmethod
    def find_owned(cls, owner_id: int, rare_book_id: UUID) -> RareBookRow | None:
        """Return the owner's rare book, or None."""
        return RARE_BOOK.first(owner_id=owner_id, id=rare_book_id)

    @classmethod
    @cache
    def filtered(cls, names: frozenset[str]) -> AnySelect:
        """Return the SELECT of the owner's rows with these filters. Cached per set of filters.

        Its bind parameters are `owner_id` and one for each filter.
        """
        filters: dict[str, ColumnElement[bool]] = {
            'title': cls.title == bindparam('title'),
            'shelf_mark': cls.shelf_mark == bindparam('shelf_mark'),
            'subtitle': cls.subtitle == bindparam('subtitle'),
            'page_count': cls.page_count == bindparam('page_count'),
            'signed': cls.signed == bindparam('signed'),
            'printed_on': cls.printed_on == bindparam('printed_on'),
            'lot': cls.lot == bindparam('lot'),
            'condition': cls.condition == bindparam('condition'),
            'dealer_id': cls.dealer_id == bindparam('dealer_id'),
        }
        return OWNED_RARE_BOOKS.where(*(filters[name] for name in sorted(names)))

    @classmethod
    def count(cls) -> int:
        """Return the number of rare books of all users."""
        return db.session.scalar(select(func.count()).select_from(cls)) or 0


OWNED_RARE_BOOKS = select(
    RareBook.id,
    RareBook.title,
    RareBook.shelf_mark,
    RareBook.subtitle,
    RareBook.summary,
    RareBook.page_count,
    RareBook.price,
    RareBook.signed,
    RareBook.printed_on,
    RareBook.found_at,
    RareBook.lot,
    RareBook.details,
    RareBook.condition,
    RareBook.dealer_id,
    RareBook.version,
    RareBook.created_at,
    RareBook.updated_at,
).where(RareBook.owner_id == bindparam('owner_id'))

RARE_BOOK = CompiledQuery(RareBookRow, OWNED_RARE_BOOKS.where(RareBook.id == bindparam('id')))

RARE_BOOKS = Keyset(
    RareBookRow,
    'book_club_rare_books',
    sorts={
        'title': RareBook.title,
        'shelf_mark': RareBook.shelf_mark,
        'summary': RareBook.summary,
        'page_count': RareBook.page_count,
        'price': RareBook.price,
        'signed': RareBook.signed,
        'printed_on': RareBook.printed_on,
        'found_at': RareBook.found_at,
        'lot': RareBook.lot,
        'condition': RareBook.condition,
        'dealer_id': RareBook.dealer_id,
        'created_at': RareBook.created_at,
    },
    key=RareBook.id,
    default='-created_at',
)
