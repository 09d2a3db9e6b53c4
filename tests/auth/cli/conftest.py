"""Fixtures for the tests of the commands of the feature `auth`."""

import pytest


@pytest.fixture
def run(cli):
    """Return a function that runs a `flask` command and returns its result."""
    return lambda *args, **options: cli.invoke(args=args, **options)
