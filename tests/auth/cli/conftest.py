"""Fixtures of the tests of commands of auth."""

import pytest


@pytest.fixture
def run(cli):
    """Return a function that runs `flask …`."""
    return lambda *args, **options: cli.invoke(args=args, **options)
