"""How files look from outside."""

from typing import Any

from flask import current_app, url_for
from marshmallow import Schema, fields

from project.core.web.requests.fields import Timestamp


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
    """What a file's bytes were, or are; what a client said they are, and a scanner."""

    number = fields.Int()
    size = fields.Int()
    type = fields.Str()
    sha256 = fields.Str()
    declared_type = fields.Str(allow_none=True)
    scan = fields.Str(allow_none=True)
    created_at = Timestamp()


class LinkSchema(Schema):
    """A share link, without the token."""

    id = fields.UUID()
    has_password = fields.Bool()
    max_downloads = fields.Int(allow_none=True)
    downloads = fields.Int()
    created_at = Timestamp()
    expires_at = Timestamp(allow_none=True)


class NewLinkSchema(LinkSchema):
    """A share link just made: the only answer that carries its token."""

    token = fields.Str()
    url = fields.Method('get_url', metadata={'type': 'string', 'format': 'uri'})

    def get_url(self, link: Any) -> str:
        """Return where whoever gets it downloads the file."""
        path = url_for('api_v1.files.shared_content', token=link['token'])
        return f'{current_app.config["PUBLIC_URL"].rstrip("/")}{path}'


class SharedSchema(Schema):
    """What whoever has a link may know of the file."""

    name = fields.Str()
    size = fields.Int()
    type = fields.Str()
    sha256 = fields.Str()
    updated_at = Timestamp()


class UsageSchema(Schema):
    """What one has, in bytes, trash included; `files` counts them."""

    used = fields.Int()
    reserved = fields.Int()
    quota = fields.Int()
    files = fields.Int()
