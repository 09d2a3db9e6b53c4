"""`flask api` with all of its commands, which four modules define."""

from . import api_clients, api_releases, api_usage  # noqa: F401 - they add their commands
from .api_documents import api_cli

__all__ = ['api_cli']
