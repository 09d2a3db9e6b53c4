"""ZIP files that are created while they are sent or written."""

from .headers import ZipEntry
from .streams import ZipStream, ZipWriter

__all__ = ['ZipEntry', 'ZipStream', 'ZipWriter']
