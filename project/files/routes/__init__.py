"""Routes of files, by topic: parse the request, call the service, respond."""

from flask import Blueprint

blueprint = Blueprint('files', 'project.files', url_prefix='/files')

# The topics add their routes to the blueprint, so they are imported after it.
from . import (  # noqa: E402
    archives,
    content,
    files,
    links,
    public_files,
    resumable_uploads,
    thumbnails,
)

__all__ = [
    'archives',
    'blueprint',
    'content',
    'files',
    'links',
    'public_files',
    'resumable_uploads',
    'thumbnails',
]
