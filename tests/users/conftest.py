"""Fixtures for the tests of the feature `users`."""

import tempfile

import pytest

from tests.core.images.decoders import decode_in_process
from tests.core.images.sample_images import encoded, halves
from tests.users.factories import UserFactory


@pytest.fixture
def picture():
    """Yield a JPEG file, as the service receives it from an upload."""
    with tempfile.TemporaryFile() as file:
        file.write(encoded(halves(), 'JPEG').getvalue())
        yield file


@pytest.fixture
def free_image_slots(app, monkeypatch):
    """Allow 64 concurrent image decoders, so that parallel test runs do not wait.

    The images are decoded in the process of the test.
    """
    monkeypatch.setitem(app.config, 'IMAGES_CONCURRENCY', 64)
    decode_in_process(monkeypatch)


@pytest.fixture
def user():
    """Return a new user."""
    return UserFactory(username='ada', email='ada@example.com')
