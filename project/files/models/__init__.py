"""Tables of the feature `files`. The bytes are in the object storage."""

from .blobs import Blob
from .files import (
    CLEAN,
    FAILED,
    FILES,
    GIVEN_UP,
    INFECTED,
    LOST,
    NOT_EMPTIED,
    OWNED_FILE,
    PENDING,
    READY,
    THUMBNAIL_RETRY_INTERVAL,
    UNSCANNABLE,
    VERSIONS,
    VERSIONS_OF_FILE,
    File,
    FileTag,
    Thumbnail,
    Version,
)
from .links import LINKS, LINKS_OF_FILE, Link
from .quota import Usage
from .uploads import HAS_LIVE_FILE, Upload

__all__ = [
    'CLEAN', 'FAILED', 'FILES', 'GIVEN_UP', 'HAS_LIVE_FILE', 'INFECTED', 'LINKS',
    'LINKS_OF_FILE', 'LOST', 'NOT_EMPTIED', 'OWNED_FILE', 'PENDING', 'READY',
    'THUMBNAIL_RETRY_INTERVAL', 'UNSCANNABLE', 'VERSIONS', 'VERSIONS_OF_FILE', 'Blob', 'File',
    'FileTag', 'Link', 'Thumbnail', 'Upload', 'Usage', 'Version',
]  # fmt: skip
