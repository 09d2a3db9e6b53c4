"""`flask api` with all of its commands, which three modules define."""

from . import api_releases, api_usage  # noqa: F401 - they add their commands to the group
from .api_documents import api_cli

__all__ = ['api_cli']
