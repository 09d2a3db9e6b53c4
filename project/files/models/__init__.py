"""The tables of files: what we know of bytes, not the bytes."""

from .files import (
    FAILED,
    FILES,
    MINE,
    PENDING,
    READY,
    VERSIONS,
    VERSIONS_OF,
    Blob,
    File,
    FileTag,
    Thumbnail,
    Version,
)
from .usage import Upload, Usage

__all__ = [
    'FAILED',
    'FILES',
    'MINE',
    'PENDING',
    'READY',
    'VERSIONS',
    'VERSIONS_OF',
    'Blob',
    'File',
    'FileTag',
    'Thumbnail',
    'Upload',
    'Usage',
    'Version',
]
