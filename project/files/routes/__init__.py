"""Routes of the feature `files`, one module per topic."""

from flask import Blueprint

blueprint = Blueprint('files', 'project.files', url_prefix='/files')

# These modules add their routes to the blueprint, so they are imported after the blueprint is
# created.
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
