"""Fixtures of the feature `files` that the integration tests use, too."""

from tests.files.conftest import ada, kept, own_app, run_concurrently

__all__ = ['ada', 'kept', 'own_app', 'run_concurrently']
