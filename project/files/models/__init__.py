"""The tables of files: what we know of bytes, not the bytes."""

from .files import FILES, VERSIONS, VERSIONS_OF, Blob, File, FileTag, Version
from .usage import Upload, Usage

__all__ = [
    'FILES',
    'VERSIONS',
    'VERSIONS_OF',
    'Blob',
    'File',
    'FileTag',
    'Upload',
    'Usage',
    'Version',
]
