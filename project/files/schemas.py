"""Response schemas of the feature `files`."""

from typing import Any

from flask import current_app, url_for
from marshmallow import Schema, fields

from project.core.web.requests.fields import Timestamp


class FileSchema(Schema):
    """The metadata of a file, without its bytes."""

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
    """A version of a file.

    `declared_type` is the content type that the client sent. `scan` is the result of the scanner.
    """

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
    """A new share link with its token, which no other response contains."""

    token = fields.Str()
    url = fields.Method('get_url', metadata={'type': 'string', 'format': 'uri'})

    def get_url(self, link: Any) -> str:
        """Return the public URL of the file's content."""
        path = url_for('api_v1.files.shared_content', token=link['token'])
        return f'{current_app.config["PUBLIC_URL"].rstrip("/")}{path}'


class SharedSchema(Schema):
    """The metadata of a file that the holder of a share link may read."""

    name = fields.Str()
    size = fields.Int()
    type = fields.Str()
    sha256 = fields.Str()
    updated_at = Timestamp()


class UsageSchema(Schema):
    """The bytes and the number of a user's files, trash included."""

    used = fields.Int()
    reserved = fields.Int()
    quota = fields.Int()
    files = fields.Int()
