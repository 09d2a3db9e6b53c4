"""Response schemas of `book_club`."""

from marshmallow import Schema, fields

from project.book_club.rows import RareBookCondition
from project.core.web.requests.fields import Timestamp


class RareBookSchema(Schema):
    """A rare book."""

    id = fields.UUID()
    title = fields.Str()
    shelf_mark = fields.Str()
    subtitle = fields.Str(allow_none=True)
    summary = fields.Str()
    page_count = fields.Int()
    price = fields.Decimal()
    signed = fields.Bool()
    printed_on = fields.Date()
    found_at = Timestamp()
    lot = fields.UUID()
    details = fields.Dict()
    condition = fields.Enum(RareBookCondition)
    dealer_id = fields.Int()
    version = fields.Int()
    created_at = Timestamp()
    updated_at = Timestamp()
