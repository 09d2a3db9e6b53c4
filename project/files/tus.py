"""Constants of the protocol tus 1.0.0, and parsers of its request headers."""

from base64 import b64decode
from binascii import Error
from dataclasses import dataclass

from project.core.errors import BadRequest
from project.core.web.requests.client_text import decode_client_text, ensure_valid_text

from .errors import ChecksumUnknown

VERSION = '1.0.0'
EXTENSIONS = ('creation', 'creation-with-upload', 'expiration', 'checksum', 'termination')
ALGORITHMS = ('sha1', 'sha256')
# The `Upload-*` request headers of the core protocol and of the announced extensions.
REQUEST_HEADERS = frozenset(
    ('Upload-Length', 'Upload-Offset', 'Upload-Metadata', 'Upload-Checksum')
)
CHUNK_CONTENT_TYPE = 'application/offset+octet-stream'

# The maximum number of digits of a number. Such a number fits into a BIGINT column.
MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Checksum:
    """The checksum of a chunk, computed with one of `ALGORITHMS`."""

    algorithm: str
    digest: bytes


def read_number(header: str, value: str) -> int:
    """Return the value of a header as a number.

    :raises BadRequest: if it is not a whole number of at most `MAX_DIGITS` digits.
    """
    if not (value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS):
        raise BadRequest(f'{header} must be a whole number')
    return int(value)


def read_checksum(said: str | None) -> Checksum | None:
    """Return the checksum in an `Upload-Checksum` header, or None without a header.

    :raises ChecksumUnknown: if it is malformed, or its algorithm is not supported.
    """
    if said is None:
        return None
    algorithm, _, text = said.partition(' ')
    try:
        digest = b64decode(text, validate=True)
    except Error:
        raise ChecksumUnknown from None
    if algorithm not in ALGORITHMS or not digest:
        raise ChecksumUnknown
    return Checksum(algorithm, digest)


def read_name(metadata: str) -> str | None:
    """Return the `filename` in an `Upload-Metadata` header, or None if it has none.

    :raises BadRequest: if the header is malformed, or the name contains NUL.
    """
    named = _read_metadata(metadata)
    said = named.get('filename') or named.get('name')
    if not said:
        return None
    name = decode_client_text(said)
    ensure_valid_text(name)
    return name


def read_type(metadata: str) -> str | None:
    """Return the `filetype` in an `Upload-Metadata` header, or None if it has none.

    :raises BadRequest: if the header is malformed.
    """
    named = _read_metadata(metadata)
    said = named.get('filetype') or named.get('type')
    return said.decode(errors='replace') if said else None


def _read_metadata(metadata: str) -> dict[str, bytes]:
    """Return the decoded values of an `Upload-Metadata` header by key, including unknown keys."""
    named: dict[str, bytes] = {}
    for pair in filter(None, metadata.split(',')):
        key, _, value = pair.strip().partition(' ')
        if not key.isascii() or not key:
            raise BadRequest('A key in Upload-Metadata is empty or not ASCII')
        try:
            named[key] = b64decode(value, validate=True)
        except ValueError:
            raise BadRequest('The values in Upload-Metadata must be in base64') from None
    return named
