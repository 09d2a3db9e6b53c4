"""Feature `files`: upload, download, versions, trash, share links, thumbnails and quotas.

The feature owns the tables `files` and `files_…`, the object keys below `blobs/` and `thumbnails/`,
the published folder, the routes below `/files` and the commands `flask files`. It depends on the
feature `users`, and deletes all files of a deleted user.
"""

from . import config_checks
from .cli import files_cli
from .routes import blueprint

requires = ('users',)
clis = (files_cli,)

__all__ = ['blueprint', 'clis', 'config_checks', 'requires']
