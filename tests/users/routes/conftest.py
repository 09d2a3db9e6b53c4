"""Fixtures of the tests of routes of users."""

import pytest

from tests.users.factories import AdminFactory


@pytest.fixture
def admin(as_user):
    """Return the client of an admin."""
    return as_user(AdminFactory())
