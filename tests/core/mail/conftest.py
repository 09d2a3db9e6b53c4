"""Fixtures of the tests of mails."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Blueprint, Flask

from tests.databases import create_tables

from ..apps import kernel_app


@pytest.fixture
def mail_app(tmp_path: Path) -> Iterator[Flask]:
    """Yield an application with only `project.core`, a sample mail and its own database."""
    letters = Blueprint('letters', __name__, template_folder='templates')
    own = kernel_app(tmp_path, letters, MAIL_FROM='The Team <team@example.test>')
    with own as app, app.app_context():
        create_tables()
        yield app
