"""Routes of rare books."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, NotRequired, TypedDict
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate

from project.book_club import service
from project.book_club.errors import (
    RareBookChanged,
    RareBookDealerUnknown,
    RareBookNotFound,
    RareBookShelfMarkTaken,
)
from project.book_club.permissions import READ, WRITE
from project.book_club.rows import (
    RareBookCondition,
    RareBookRow,
)
from project.book_club.schemas import RareBookSchema
from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.column_fields import (
    MAX_INTEGER,
    Boolean,
    FixedDecimal,
    Integer,
    JsonObject,
)
from project.core.web.requests.fields import Text, Timestamp
from project.core.web.requests.pagination import ListQuery, QueryInteger, sort_by
from project.core.web.responses.etags import version_precondition

from . import blueprint


class RareBookListQuery(ListQuery):
    """Filters and sort orders of the list of rare books."""

    title = fields.Str(validate=validate.Length(1, 200))
    shelf_mark = fields.Str(validate=validate.Length(1, 200))
    subtitle = fields.Str(validate=validate.Length(1, 200))
    page_count = QueryInteger(validate=validate.Range(max=MAX_INTEGER))
    signed = fields.Bool()
    printed_on = fields.Date()
    lot = fields.UUID()
    condition = fields.Enum(RareBookCondition)
    dealer_id = QueryInteger(validate=validate.Range(max=MAX_INTEGER))
    sort = sort_by(
        'title',
        'shelf_mark',
        'summary',
        'page_count',
        'price',
        'signed',
        'printed_on',
        'found_at',
        'lot',
        'condition',
        'dealer_id',
        'created_at',
    )


class RareBookCreateRequest(Schema):
    """A new rare book."""

    title = Text(required=True, min=1, max=200)
    shelf_mark = Text(required=True, min=1, max=200)
    subtitle = Text(load_default=None, allow_none=True, min=1, max=200)
    summary = Text(required=True, max=10_000, lines=True)
    page_count = Integer(required=True)
    price = FixedDecimal(required=True, digits=12, places=2)
    signed = Boolean(required=True)
    printed_on = fields.Date(required=True)
    found_at = Timestamp(required=True)
    lot = fields.UUID(required=True)
    details = JsonObject(required=True)
    condition = fields.Enum(RareBookCondition, required=True)
    dealer_id = Integer(required=True)


class RareBookCreateBody(TypedDict):
    """The values of a `RareBookCreateRequest`."""

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


class RareBookPatchRequest(Schema):
    """The fields of a rare book to change."""

    title = Text(min=1, max=200)
    shelf_mark = Text(min=1, max=200)
    subtitle = Text(allow_none=True, min=1, max=200)
    summary = Text(max=10_000, lines=True)
    page_count = Integer()
    price = FixedDecimal(digits=12, places=2)
    signed = Boolean()
    printed_on = fields.Date()
    found_at = Timestamp()
    lot = fields.UUID()
    details = JsonObject()
    condition = fields.Enum(RareBookCondition)
    dealer_id = Integer()


class RareBookPatchBody(TypedDict):
    """The values of a `RareBookPatchRequest`."""

    title: NotRequired[str]
    shelf_mark: NotRequired[str]
    subtitle: NotRequired[str | None]
    summary: NotRequired[str]
    page_count: NotRequired[int]
    price: NotRequired[Decimal]
    signed: NotRequired[bool]
    printed_on: NotRequired[date]
    found_at: NotRequired[datetime]
    lot: NotRequired[UUID]
    details: NotRequired[dict[str, Any]]
    condition: NotRequired[RareBookCondition]
    dealer_id: NotRequired[int]


class RareBooksView(MethodView):
    """The rare books of the user."""

    init_every_request = False

    @endpoint(
        allow=authenticated(READ),
        query=RareBookListQuery,
        returns=RareBookSchema,
        many=True,
        errors=[CursorInvalid],
    )
    def get(self, page: PageRequest) -> Page[RareBookRow]:
        """List your rare books."""
        return service.list_rare_books(current_principal().user_id, page)

    @endpoint(
        allow=authenticated(WRITE),
        body=RareBookCreateRequest,
        returns=RareBookSchema,
        code=201,
        versioned=True,
        idempotent=True,
        limit='600/minute',
        errors=[
            RareBookShelfMarkTaken,
            RareBookDealerUnknown,
        ],
        location=('.rare_book', 'rare_book_id'),
    )
    def post(self, body: RareBookCreateBody) -> RareBookRow:
        """Create a rare book."""
        return service.create_rare_book(current_principal().user_id, **body)


class RareBookView(MethodView):
    """One rare book of the user."""

    init_every_request = False

    @endpoint(
        allow=authenticated(READ), returns=RareBookSchema, versioned=True, errors=[RareBookNotFound]
    )
    def get(self, rare_book_id: UUID) -> RareBookRow:
        """Show one of your rare books."""
        return service.get_rare_book(current_principal().user_id, rare_book_id)

    @endpoint(
        allow=authenticated(WRITE),
        body=RareBookPatchRequest,
        returns=RareBookSchema,
        versioned=True,
        limit='600/minute',
        errors=[
            RareBookNotFound,
            RareBookChanged,
            RareBookShelfMarkTaken,
            RareBookDealerUnknown,
        ],
    )
    def patch(self, rare_book_id: UUID, body: RareBookPatchBody) -> RareBookRow:
        """Change those fields of a rare book that the request contains."""
        owner_id = current_principal().user_id
        return service.update_rare_book(
            owner_id, rare_book_id, body, expected=version_precondition()
        )

    @endpoint(
        allow=authenticated(WRITE), versioned=True, errors=[RareBookNotFound, RareBookChanged]
    )
    def delete(self, rare_book_id: UUID) -> None:
        """Delete one of your rare books."""
        owner_id = current_principal().user_id
        service.delete_rare_book(owner_id, rare_book_id, expected=version_precondition())


blueprint.add_url_rule('/rare-books', view_func=RareBooksView.as_view('rare_books'))
blueprint.add_url_rule(
    '/rare-books/<uuid:rare_book_id>', view_func=RareBookView.as_view('rare_book')
)
