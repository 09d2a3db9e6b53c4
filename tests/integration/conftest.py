"""Fixtures of the tests of files that the tests of several features share."""

from tests.files.conftest import ada, kept, own_app, run_concurrently

__all__ = ['ada', 'kept', 'own_app', 'run_concurrently']
