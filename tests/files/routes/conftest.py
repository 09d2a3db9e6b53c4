"""The client that the tests of the HTTP routes share."""

from typing import Any

import pytest


@pytest.fixture
def client(as_user: Any, ada: Any) -> Any:
    """A client with the session of Ada."""
    return as_user(ada)
