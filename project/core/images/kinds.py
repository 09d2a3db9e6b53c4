"""The kinds of images that the service decodes, recognized by their first bytes.

Everything that depends on the kind of an image uses this table: the media type of a file, whether a
browser may display it, thumbnails and avatars. So they agree about every file.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Enough bytes for each function in KINDS.
SIGNATURE_BYTES = 4096

PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
PNG_CHUNK_OVERHEAD_BYTES = 12  # length, type and checksum


@dataclass(frozen=True, slots=True)
class ImageKind:
    """A kind of images, of which browsers display all and the decoder decodes all.

    :param media_type: the media type (RFC 6838).
    :param decoder: the name of the format in Pillow.
    :param matches: returns whether a file that begins with these bytes is of this kind.
    """

    media_type: str
    decoder: str
    matches: Callable[[bytes], bool]


def image_type(head: bytes) -> str | None:
    """Return the media type of an image, or None if it is of no kind in `KINDS`.

    :param head: the first bytes of the file; `SIGNATURE_BYTES` are sufficient.
    """
    return next((kind.media_type for kind in KINDS if kind.matches(head)), None)


def _is_jpeg(head: bytes) -> bool:
    """Return whether a file begins with SOI and another marker (ISO 10918-1, B.1.1.3)."""
    return head.startswith(b'\xff\xd8\xff')


def _is_png(head: bytes) -> bool:
    """Return whether a file has the signature of PNG (PNG, section 5.2)."""
    return head.startswith(PNG_SIGNATURE)


def _is_animated_png(head: bytes) -> bool:
    """Return whether a PNG has the chunk `acTL` before its pixels (PNG, section 11.3.6.1)."""
    return _is_png(head) and b'acTL' in _png_chunks(head)


def _png_chunks(head: bytes) -> Iterator[bytes]:
    """Yield the types of the chunks before the pixels, as far as the bytes reach."""
    at = len(PNG_SIGNATURE)
    while (kind := head[at + 4 : at + 8]) not in (b'', b'IDAT'):
        yield kind
        at += PNG_CHUNK_OVERHEAD_BYTES + int.from_bytes(head[at : at + 4])


def _is_gif(head: bytes) -> bool:
    return head.startswith((b'GIF87a', b'GIF89a'))


def _is_webp(head: bytes) -> bool:
    """Return whether a file is a RIFF container of the form WEBP (RFC 9649, section 2.4)."""
    return head.startswith(b'RIFF') and head[8:12] == b'WEBP'


def _is_avif(head: bytes) -> bool:
    """Return whether a brand of the file is AVIF (AV1 Image File Format, section 6)."""
    size = int.from_bytes(head[:4])
    brands = head[8:12] + head[16:size] if head[4:8] == b'ftyp' else b''
    return any(brands[at : at + 4] in (b'avif', b'avis') for at in range(0, len(brands), 4))


# An animated PNG precedes PNG, because its signature is the same.
KINDS = (
    ImageKind('image/jpeg', 'JPEG', _is_jpeg),
    ImageKind('image/apng', 'PNG', _is_animated_png),
    ImageKind('image/png', 'PNG', _is_png),
    ImageKind('image/gif', 'GIF', _is_gif),
    ImageKind('image/webp', 'WEBP', _is_webp),
    ImageKind('image/avif', 'AVIF', _is_avif),
)
IMAGE_TYPES = frozenset(kind.media_type for kind in KINDS)
