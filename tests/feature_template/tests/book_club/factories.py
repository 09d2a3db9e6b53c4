"""Factories of `book_club`."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from factory import LazyAttribute, Sequence, SubFactory

from project.book_club.models import RareBook
from project.book_club.rows import RareBookCondition
from tests.factories import ModelFactory
from tests.users.factories import UserFactory


class RareBookFactory(ModelFactory):
    """A rare book of a new user."""

    class Meta:
        model = RareBook
        exclude = (
            'owner',
            'dealer',
        )

    owner = SubFactory(UserFactory)
    owner_id = LazyAttribute(lambda row: row.owner.id)
    title = Sequence(lambda n: f'Text {n}')
    shelf_mark = Sequence(lambda n: f'Text {n}')
    subtitle = Sequence(lambda n: f'Text {n}')
    summary = Sequence(lambda n: f'Text {n}')
    page_count = Sequence(lambda n: n)
    price = Sequence(lambda n: Decimal(n) / 100)
    signed = Sequence(lambda n: n % 2 == 0)
    printed_on = Sequence(lambda n: date(2099, 1, 1) + timedelta(days=n))
    found_at = Sequence(lambda n: datetime(2099, 1, 1, tzinfo=UTC) + timedelta(hours=n))
    lot = Sequence(lambda n: UUID(int=n))
    details = Sequence(lambda n: {'number': n})
    condition = Sequence(lambda n: list(RareBookCondition)[n % len(RareBookCondition)])
    dealer = SubFactory(UserFactory)
    dealer_id = LazyAttribute(lambda row: row.dealer.id)
