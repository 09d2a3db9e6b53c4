"""Files: upload, download, versions, trash, share links, thumbnails and quotas.

Owns the tables `files` and `files_…`, the keys below `blobs/` and `thumbnails/`, the published
folder, `/files` and `flask files`. Depends on `users`; deletes all data of a deleted user.
"""

from . import config_checks
from .cli import files_cli
from .routes import blueprint

requires = ('users',)
clis = (files_cli,)

__all__ = ['blueprint', 'clis', 'config_checks', 'requires']
