"""What tus 1.0.0 says in headers, read and made: versions, checksums, metadata."""

from base64 import b64decode
from binascii import Error
from dataclasses import dataclass

from project.core.errors import BadRequest

from .errors import ChecksumUnknown

VERSION = '1.0.0'
EXTENSIONS = ('creation', 'creation-with-upload', 'expiration', 'checksum', 'termination')
ALGORITHMS = ('sha1', 'sha256')
# The `Upload-*` headers of requests, of the core protocol and of the announced extensions.
REQUEST_HEADERS = frozenset(
    ('Upload-Length', 'Upload-Offset', 'Upload-Metadata', 'Upload-Checksum')
)
CHUNK_CONTENT_TYPE = 'application/offset+octet-stream'

# As many digits as any size has, and no more than a database counts.
MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a piece must hash to, by one of `ALGORITHMS`."""

    algorithm: str
    digest: bytes


def read_number(header: str, value: str) -> int:
    """Return a number not less than nothing, or refuse with BadRequest."""
    if not (value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS):
        raise BadRequest(f'{header} must be a whole number')
    return int(value)


def read_checksum(said: str | None) -> Checksum | None:
    """Return what an `Upload-Checksum` says; refuses with ChecksumUnknown what it says wrongly."""
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
    """Return the `filename` in an `Upload-Metadata`, or refuse with BadRequest what is none."""
    named = _read_metadata(metadata)
    said = named.get('filename') or named.get('name')
    try:
        return said.decode() if said else None
    except UnicodeDecodeError:
        raise BadRequest('The filename in Upload-Metadata must be UTF-8') from None


def read_type(metadata: str) -> str | None:
    """Return the `filetype` in an `Upload-Metadata`: what its client says the file is."""
    named = _read_metadata(metadata)
    said = named.get('filetype') or named.get('type')
    return said.decode(errors='replace') if said else None


def _read_metadata(metadata: str) -> dict[str, bytes]:
    """Return the values by their keys. What is in those that nobody knows is their client's."""
    named: dict[str, bytes] = {}
    for pair in filter(None, metadata.split(',')):
        key, _, value = pair.strip().partition(' ')
        if not key.isascii() or not key:
            raise BadRequest('Upload-Metadata has a key that is none')
        try:
            named[key] = b64decode(value, validate=True)
        except ValueError:
            raise BadRequest('Upload-Metadata must be keys, each with a value in base64') from None
    return named
