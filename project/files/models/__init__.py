"""The tables of files: what we know of bytes, not the bytes."""

from .files import FILES, MINE, VERSIONS, VERSIONS_OF, Blob, File, FileTag, Version
from .usage import Upload, Usage

__all__ = [
    'FILES',
    'MINE',
    'VERSIONS',
    'VERSIONS_OF',
    'Blob',
    'File',
    'FileTag',
    'Upload',
    'Usage',
    'Version',
]
