"""The HTTP face of files, by topic: read the request, call the service, answer."""

from . import archives, content, files, links, published, thumbnails, uploads
from .mount import blueprint

__all__ = [
    'archives', 'blueprint', 'content', 'files', 'links', 'published', 'thumbnails', 'uploads',
]  # fmt: skip
