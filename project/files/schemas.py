"""How files look from outside."""

from marshmallow import Schema, fields

from project.core.web.fields import Timestamp


class FileSchema(Schema):
    """A file's particulars; its bytes have their own URL."""

    id = fields.UUID()
    name = fields.Str()
    size = fields.Int()
    type = fields.Str()
    sha256 = fields.Str()
    version = fields.Int()
    tags = fields.List(fields.Str())
    created_at = Timestamp()
    updated_at = Timestamp()


class VersionSchema(Schema):
    """What a file's bytes were, or are."""

    number = fields.Int()
    size = fields.Int()
    type = fields.Str()
    sha256 = fields.Str()
    created_at = Timestamp()


class UsageSchema(Schema):
    """What one has, in bytes, trash included; `files` counts them."""

    used = fields.Int()
    reserved = fields.Int()
    quota = fields.Int()
    files = fields.Int()
