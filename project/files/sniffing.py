"""What bytes are: told from the bytes, never from what the client says of them."""

import filetype

HEAD = 8192  # bytes that are enough to tell

OCTETS = 'application/octet-stream'

# What thumbnails are made of.
PICTURES = frozenset(
    ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'],
)

# What a browser may show in place: nothing in them can act. SVG and HTML are text here.
HARMLESS = frozenset(
    [
        *PICTURES,
        *('audio/mpeg', 'audio/ogg', 'audio/x-wav', 'video/mp4', 'video/webm'),
        'text/plain',
    ]
)


def sniff(head: bytes) -> str:
    """Return the media type of bytes that begin like this; without a sign of one, plain octets."""
    known = filetype.guess_mime(head)
    if known:
        return str(known)
    return 'text/plain' if head and _is_text(head) else OCTETS


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode('utf-8')
    except UnicodeDecodeError as error:
        # A character that the head cut in two is still text.
        if len(head) < HEAD or error.start < len(head) - 3:
            return False
        text = head[: error.start].decode('utf-8')
    return not any(c < ' ' and c not in '\t\n\r\f' for c in text)
