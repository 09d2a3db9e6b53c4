"""Fixtures of the tests of routes of users."""

import pytest

from tests.users.factories import AdminFactory


@pytest.fixture
def admin(as_user):
    """A client that may do everything."""
    return as_user(AdminFactory())
