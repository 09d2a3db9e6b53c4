"""A client for the tests of the HTTP routes of the feature `users`."""

import pytest

from tests.users.factories import AdminFactory


@pytest.fixture
def admin(as_user):
    """Return a test client that is logged in as an admin."""
    return as_user(AdminFactory())
