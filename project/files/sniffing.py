"""What bytes are: told from the bytes, never from what the client says of them."""

import re
from collections.abc import Callable
from functools import cache

import filetype

HEAD_BYTES = 8192  # bytes that are enough to tell

OCTET_STREAM = 'application/octet-stream'

# What thumbnails are made of.
THUMBNAIL_SOURCE_TYPES = frozenset(
    ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'],
)

# What a browser may show in place: nothing in them can act. SVG and HTML are text here.
INLINE_SAFE_TYPES = frozenset(
    [
        *THUMBNAIL_SOURCE_TYPES,
        *('audio/mpeg', 'audio/ogg', 'audio/x-wav', 'video/mp4', 'video/webm'),
        'text/plain',
    ]
)


# What a browser might do something with, whoever says that it is that.
ACTIVE_TYPES_PATTERN = re.compile(
    r'text/|.*(html|xml|script|svg|flash|pdf)|application/octet-stream|.*x-empty'
)


def sniff(head: bytes) -> str:
    """Return the media type of bytes that begin like this; without a sign of one, plain octets.

    What Python knows and what can be read is decided without libmagic, so that nobody sees or does
    anything else with it where that is installed. It only gives names to what else is octets.
    """
    known = filetype.guess_mime(head)
    if known:
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
        # A character that the head cut in two is still text.
        if len(head) < HEAD_BYTES or error.start < len(head) - 3:
            return False
        text = head[: error.start].decode('utf-8')
    return not any(c < ' ' and c not in '\t\n\r\f' for c in text)


@cache
def _libmagic() -> Callable[[bytes], str] | None:
    try:
        import magic  # Fails where there is no library, and takes 10 ms where there is one.

        # It locks itself: its library is for one thread at a time.
        known = magic.Magic(mime=True)
    except (ImportError, OSError):
        return None

    def name(head: bytes) -> str:
        try:
            return str(known.from_buffer(head))
        except magic.MagicException:
            return OCTET_STREAM

    return name
