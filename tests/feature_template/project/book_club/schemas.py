"""Response schemas of `book_club`."""

from marshmallow import Schema, fields

from project.book_club.rows import RareBookCondition
from project.core.web.requests.fields import Timestamp


class RareBookSchema(Schema):
    """A rare book."""

    id = fields.UUID(metadata={'description': 'The id of the rare book.'})
    title = fields.Str(metadata={'description': 'The title.'})
    shelf_mark = fields.Str(metadata={'description': 'The shelf mark.'})
    subtitle = fields.Str(allow_none=True, metadata={'description': 'The subtitle.'})
    summary = fields.Str(metadata={'description': 'The summary.'})
    page_count = fields.Int(metadata={'description': 'The page count.'})
    price = fields.Decimal(metadata={'description': 'The price.'})
    signed = fields.Bool(metadata={'description': 'The value of `signed`.'})
    printed_on = fields.Date(metadata={'description': 'The value of `printed_on`.'})
    found_at = Timestamp(metadata={'description': 'The value of `found_at`.'})
    lot = fields.UUID(metadata={'description': 'The lot.'})
    details = fields.Dict(metadata={'description': 'The details.'})
    condition = fields.Enum(RareBookCondition, metadata={'description': 'The condition.'})
    dealer_id = fields.Int(metadata={'description': 'The id of the dealer.'})
    version = fields.Int(
        metadata={'description': 'A number that grows with each change; also the `ETag`.'}
    )
    created_at = Timestamp(metadata={'description': 'The time of the creation.'})
    updated_at = Timestamp(metadata={'description': 'The time of the last change.'})
