"""Files: what people upload, and get back.

Owns the tables `files` and `files_…`, the keys below `blobs/`, the published folder, `/files` and
`flask files`. Stands on `users`, and lets go of everything when one is deleted.
"""

from . import config_checks
from .cli import files_cli
from .routes import blueprint

clis = (files_cli,)

__all__ = ['blueprint', 'clis', 'config_checks']
