"""Fixtures of the tests of the auth commands."""

import pytest


@pytest.fixture
def run(cli):
    """Return a function that runs `flask …`."""
    return lambda *args, **options: cli.invoke(args=args, **options)
