"""What the tests of mails share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Blueprint, Flask

from project.core.database.session import db
from tests.databases import create_tables

from ..apps import kernel_app


@pytest.fixture
def post_office(tmp_path: Path) -> Iterator[Flask]:
    """An application of the kernel with a mail of ours to send, on a database of its own."""
    letters = Blueprint('letters', __name__, template_folder='templates')
    app = kernel_app(tmp_path, letters, MAIL_FROM='The Team <team@example.test>')
    with app.app_context():
        create_tables()
        yield app
        db.session.remove()
        db.engine.dispose()
