"""What tus 1.0.0 says in headers, read and made: versions, checksums, metadata."""

from base64 import b64decode
from binascii import Error
from dataclasses import dataclass

from project.core.errors import Malformed

from .errors import ChecksumUnknown

VERSION = '1.0.0'
EXTENSIONS = ('creation', 'creation-with-upload', 'expiration', 'checksum', 'termination')
ALGORITHMS = ('sha1', 'sha256')
PIECE = 'application/offset+octet-stream'

# As many digits as any size has, and no more than a database counts.
MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a piece must hash to, by one of `ALGORITHMS`."""

    algorithm: str
    digest: bytes


def read_number(header: str, value: str) -> int:
    """Return a number not less than nothing, or refuse with Malformed."""
    if not (value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS):
        raise Malformed(f'{header} must be a whole number')
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


def read_name(described: str) -> str | None:
    """Return the `filename` in an `Upload-Metadata`, or refuse with Malformed what is none."""
    named = _read_metadata(described)
    return named.get('filename') or named.get('name')


def read_type(described: str) -> str | None:
    """Return the `filetype` in an `Upload-Metadata`: what its client says the file is."""
    named = _read_metadata(described)
    return named.get('filetype') or named.get('type')


def _read_metadata(described: str) -> dict[str, str]:
    named: dict[str, str] = {}
    for pair in filter(None, described.split(',')):
        key, _, value = pair.strip().partition(' ')
        try:
            named[key] = b64decode(value, validate=True).decode()
        except ValueError:
            raise Malformed('Upload-Metadata must be keys, each with a value in base64') from None
        if not key.isascii() or not key:
            raise Malformed('Upload-Metadata has a key that is none')
    return named
