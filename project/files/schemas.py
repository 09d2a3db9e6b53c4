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


class StoredFileSchema(Schema):
    """The metadata of a file, without its bytes."""

    id = fields.UUID(metadata={'description': 'The id of the file.'})
    name = fields.Str(metadata={'description': 'The file name.'})
    size = fields.Int(metadata={'description': 'The size of the content in bytes.'})
    type = fields.Str(metadata={'description': 'The media type that the service has detected.'})
    sha256 = fields.Str(
        metadata={'description': 'The SHA-256 hash of the content in hexadecimal digits.'}
    )
    version = fields.Int(
        metadata={
            'description': 'A number that grows with each change. `If-Match` compares the `ETag`, '
            'not this number.'
        }
    )
    tags = fields.List(fields.Str(), metadata={'description': 'The tags of the file.'})
    created_at = Timestamp(metadata={'description': 'The time of the upload.'})
    updated_at = Timestamp(metadata={'description': 'The time of the last change.'})


class FileVersionSchema(Schema):
    """A version of a file.

    `declared_type` is the content type that the client sent. `scan` is the result of the scanner.
    """

    number = fields.Int(metadata={'description': 'The number of the version. The first one is 1.'})
    size = fields.Int(metadata={'description': 'The size of the content in bytes.'})
    type = fields.Str(metadata={'description': 'The media type that the service has detected.'})
    sha256 = fields.Str(
        metadata={'description': 'The SHA-256 hash of the content in hexadecimal digits.'}
    )
    declared_type = fields.Str(
        allow_none=True,
        metadata={'description': 'The content type that the client sent; null if there was none.'},
    )
    scan = fields.Str(
        validate=validate.OneOf(('clean', 'infected', 'unscannable')),
        allow_none=True,
        metadata={'description': 'The result of the malware scanner; null without a scan.'},
    )
    created_at = Timestamp(metadata={'description': 'The time of the upload.'})


class ShareLinkSchema(Schema):
    """A share link, without the token."""

    id = fields.UUID(metadata={'description': 'The id of the link.'})
    has_password = fields.Bool(metadata={'description': 'Whether a download needs a password.'})
    max_downloads = fields.Int(
        allow_none=True,
        metadata={'description': 'The allowed number of downloads; null: without limit.'},
    )
    downloads = fields.Int(metadata={'description': 'The number of downloads.'})
    created_at = Timestamp(metadata={'description': 'The time of the creation.'})
    expires_at = Timestamp(
        allow_none=True,
        metadata={'description': 'The time until which the link is valid; null: without limit.'},
    )


class NewShareLinkSchema(ShareLinkSchema):
    """A new share link with its token, which no other response contains."""

    token = fields.Str(metadata={'description': 'The secret part of the URL.'})
    url = fields.Method(
        'get_url',
        metadata={
            'description': 'The public URL of the content.',
            'type': 'string',
            'format': 'uri',
        },
    )

    def get_url(self, link: Any) -> str:
        """Return the public URL of the file's content."""
        path = url_for('api_v1.files.shared_content', token=link['token'])
        return f'{current_app.config["PUBLIC_URL"].rstrip("/")}{path}'


class SharedFileSchema(Schema):
    """The metadata of a file that the holder of a share link may read."""

    name = fields.Str(metadata={'description': 'The file name.'})
    size = fields.Int(metadata={'description': 'The size of the content in bytes.'})
    type = fields.Str(metadata={'description': 'The media type that the service has detected.'})
    sha256 = fields.Str(
        metadata={'description': 'The SHA-256 hash of the content in hexadecimal digits.'}
    )
    updated_at = Timestamp(metadata={'description': 'The time of the last change.'})


class StorageUsageSchema(Schema):
    """The bytes and the number of a user's files, trash included."""

    used = fields.Int(metadata={'description': 'The bytes of all stored files and versions.'})
    reserved = fields.Int(metadata={'description': 'The bytes reserved for running uploads.'})
    quota = fields.Int(
        metadata={'description': 'The maximum of `used` and `reserved` together, in bytes.'}
    )
    files = fields.Int(metadata={'description': 'The number of files.'})
