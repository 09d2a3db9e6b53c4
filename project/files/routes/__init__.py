"""The HTTP face of files, by topic: read the request, call the service, answer."""

from . import content, files, links, published, thumbnails, uploads
from .mount import blueprint

__all__ = ['blueprint', 'content', 'files', 'links', 'published', 'thumbnails', 'uploads']
