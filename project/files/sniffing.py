"""Detection of media types from the bytes of a file. The type that the client sends is not used."""

import re
from collections.abc import Callable
from functools import cache

import filetype

from project.core.images.kinds import IMAGE_TYPES, image_type

HEAD_BYTES = 8192  # the first bytes of a file, enough to detect its type

OCTET_STREAM = 'application/octet-stream'

# The types of images of which thumbnails can be made.
THUMBNAIL_SOURCE_TYPES = IMAGE_TYPES

# Types that a browser may display inline, because they cannot contain active content. SVG and HTML
# are detected as `text/plain`.
INLINE_SAFE_TYPES = frozenset(
    [
        *THUMBNAIL_SOURCE_TYPES,
        *('audio/mpeg', 'audio/ogg', 'audio/x-wav', 'video/mp4', 'video/webm'),
        'text/plain',
    ]
)


# Types that are ignored if libmagic detects them: a browser might execute or interpret such files.
ACTIVE_TYPES_PATTERN = re.compile(
    r'text/|.*(html|xml|script|svg|flash|pdf)|application/octet-stream|.*x-empty'
)


def sniff(head: bytes) -> str:
    """Return the media type of a file, detected from its first bytes; else OCTET_STREAM.

    First, the table of images, the package `filetype` and a check for text are used. Only if they
    detect nothing, libmagic is used, if it is installed. So the types of common files do not depend
    on libmagic. Only the table names types of images that can be decoded.
    """
    if image := image_type(head):
        return image
    known = filetype.guess_mime(head)
    if known and known not in IMAGE_TYPES:
        return str(known)
    if head and _is_text(head):
        return 'text/plain'
    magic = _libmagic()
    named = magic(head) if magic else OCTET_STREAM
    return OCTET_STREAM if ACTIVE_TYPES_PATTERN.match(named) else named


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode('utf-8')
    except UnicodeDecodeError as error:
        # The last character may be incomplete, because only the first bytes of the file are
        # examined.
        if len(head) < HEAD_BYTES or error.start < len(head) - 3:
            return False
        text = head[: error.start].decode('utf-8')
    return not any(c < ' ' and c not in '\t\n\r\f' for c in text)


@cache
def _libmagic() -> Callable[[bytes], str] | None:
    try:
        import magic  # The import fails without the C library, and takes 10 ms with it.

        # A `Magic` object has a lock. It is needed because the C library is not thread-safe.
        known = magic.Magic(mime=True)
    except (ImportError, OSError):
        return None

    def name(head: bytes) -> str:
        try:
            return str(known.from_buffer(head))
        except magic.MagicException:
            return OCTET_STREAM

    return name
