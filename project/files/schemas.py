"""Response schemas of the feature `files`."""

from typing import Any

from flask import current_app, url_for
from marshmallow import Schema, ValidationError, fields, validate

from project.core.web.requests.fields import Timestamp

from .errors import NameInvalid
from .filenames import clean_name


class FileName(fields.Str):
    """A file name, as `clean_name` returns it. An empty name stays empty.

    :param min: the minimum length in characters: 1 if an empty name is an error.
    """

    def __init__(self, *, min: int = 0, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(min=min) if min else None, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        try:
            return clean_name(text) if text else text
        except NameInvalid as error:
            raise ValidationError(str(error)) from error


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
