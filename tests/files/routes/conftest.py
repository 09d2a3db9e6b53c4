"""A client for the tests of the HTTP routes."""

from typing import Any

import pytest


@pytest.fixture
def client(as_user: Any, ada: Any) -> Any:
    """A test client that is logged in as Ada."""
    return as_user(ada)
