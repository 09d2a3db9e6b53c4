"""Rare books: list, create, change and delete."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, update

from project.book_club.errors import (
    RareBookChanged,
    RareBookDealerUnknown,
    RareBookNotFound,
    RareBookShelfMarkTaken,
)
from project.book_club.models import RARE_BOOKS, RareBook
from project.book_club.rows import (
    RareBookCondition,
    RareBookRow,
)
from project.core.clock import now
from project.core.database.cleanup import delete_batch
from project.core.database.constraints import translate_unique_violations
from project.core.database.keyset_pagination import Page, PageRequest, iterate_pages
from project.core.database.session import atomic, db
from project.core.version_preconditions import ANY_VERSION, Precondition
from project.users import service as users
from project.users.personal_data import ExportFile, json_part


def list_rare_books(owner_id: int, page: PageRequest) -> Page[RareBookRow]:
    """Return a page of the owner's rare books."""
    found = RareBook.filtered(frozenset(page.filters))
    return RARE_BOOKS.page(found, page, owner_id=owner_id, **page.filters)


def find_rare_book(owner_id: int, rare_book_id: UUID) -> RareBookRow | None:
    """Return the owner's rare book, or None."""
    return RareBook.find_owned(owner_id, rare_book_id)


def get_rare_book(owner_id: int, rare_book_id: UUID) -> RareBookRow:
    """Return the owner's rare book.

    :raises RareBookNotFound: if the owner has no such rare book.
    """
    found = find_rare_book(owner_id, rare_book_id)
    if found is None:
        raise RareBookNotFound
    return found


@atomic()
def create_rare_book(
    owner_id: int,
    *,
    title: str,
    shelf_mark: str,
    subtitle: str | None,
    summary: str,
    page_count: int,
    price: Decimal,
    signed: bool,
    printed_on: date,
    found_at: datetime,
    lot: UUID,
    details: dict[str, Any],
    condition: RareBookCondition,
    dealer_id: int,
) -> RareBookRow:
    """Create a rare book and return it.

    :raises RareBookShelfMarkTaken: if another rare book of the owner has this `shelf_mark`.
    :raises RareBookDealerUnknown: if the row of `dealer_id` does not exist.
    """
    _ensure_dealer_exists(dealer_id)
    rare_book = RareBook(
        id=uuid4(),
        owner_id=owner_id,
        title=title,
        shelf_mark=shelf_mark,
        subtitle=subtitle,
        summary=summary,
        page_count=page_count,
        price=price,
        signed=signed,
        printed_on=printed_on,
        found_at=found_at,
        lot=lot,
        details=details,
        condition=condition,
        dealer_id=dealer_id,
    )
    with translate_unique_violations(
        shelf_mark=RareBookShelfMarkTaken,
    ):
        db.session.add(rare_book)
    return get_rare_book(owner_id, rare_book.id)


@atomic()
def update_rare_book(
    owner_id: int,
    rare_book_id: UUID,
    changes: Mapping[str, Any],
    *,
    expected: Precondition = ANY_VERSION,
) -> RareBookRow:
    """Change only the given fields; concurrent changes of other fields are kept.

    :param expected: the precondition on the version (`If-Match`).
    :raises RareBookNotFound: if the owner has no such rare book.
    :raises RareBookChanged: if the rare book does not meet the precondition.
    :raises RareBookShelfMarkTaken: if another rare book of the owner has this `shelf_mark`.
    :raises RareBookDealerUnknown: if the row of `dealer_id` does not exist.
    """
    # A missing row is reported before an invalid value.
    get_rare_book(owner_id, rare_book_id)
    _ensure_dealer_exists(changes.get('dealer_id'))
    mine = (RareBook.owner_id == owner_id) & (RareBook.id == rare_book_id)
    mine &= expected.on(RareBook.version)
    values = {**changes, 'version': RareBook.version + 1, 'updated_at': now()}
    with translate_unique_violations(
        shelf_mark=RareBookShelfMarkTaken,
    ):
        found = db.session.execute(
            update(RareBook).where(mine).values(values).returning(RareBook.id)
        ).one_or_none()
    row = get_rare_book(owner_id, rare_book_id)
    if found is None:
        raise RareBookChanged
    return row


@atomic()
def delete_rare_book(
    owner_id: int, rare_book_id: UUID, *, expected: Precondition = ANY_VERSION
) -> None:
    """Delete a rare book.

    :raises RareBookNotFound: if the owner has no such rare book.
    :raises RareBookChanged: if the rare book does not meet the precondition.
    """
    mine = (RareBook.owner_id == owner_id) & (RareBook.id == rare_book_id)
    mine &= expected.on(RareBook.version)
    deleted = delete(RareBook).where(mine).returning(RareBook.id)
    if db.session.execute(deleted).one_or_none() is None:
        get_rare_book(owner_id, rare_book_id)
        raise RareBookChanged


def count_rare_books() -> int:
    """Return the number of rare books of all users."""
    return RareBook.count()


def export_rare_books(user_id: int) -> ExportFile:
    """Return the rare books of a user as a file of an export."""
    rows = iterate_pages(lambda page: list_rare_books(user_id, page))
    return json_part('book_club/rare_books.json', rows)


def erase_rare_books(user_id: int) -> bool:
    """Delete a batch of rows that refer to a user; return whether there may be more."""
    has_more = delete_batch(RareBook, RareBook.owner_id == user_id)
    has_more |= delete_batch(RareBook, RareBook.dealer_id == user_id)
    return has_more


def _ensure_dealer_exists(dealer_id: int | None) -> None:
    if dealer_id is not None and users.find_user(dealer_id) is None:
        raise RareBookDealerUnknown
