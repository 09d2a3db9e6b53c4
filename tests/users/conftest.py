"""Fixtures of the tests of users."""

import tempfile

import pytest

from tests.core.images.decoders import decode_in_process
from tests.core.images.sample_images import encoded, halves
from tests.users.factories import UserFactory


@pytest.fixture
def picture():
    """Return an uploaded image."""
    with tempfile.TemporaryFile() as file:
        file.write(encoded(halves(), 'JPEG').getvalue())
        yield file


@pytest.fixture
def free_image_slots(app, monkeypatch):
    """Allow more concurrent image decoders than there are test processes."""
    monkeypatch.setitem(app.config, 'IMAGES_CONCURRENCY', 64)
    decode_in_process(monkeypatch)


@pytest.fixture
def user():
    """Return a user."""
    return UserFactory(username='ada', email='ada@example.com')
