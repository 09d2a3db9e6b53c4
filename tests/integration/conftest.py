"""Fixtures of the files tests that integration tests share."""

from tests.files.conftest import ada, kept, own_app, run_concurrently

__all__ = ['ada', 'kept', 'own_app', 'run_concurrently']
