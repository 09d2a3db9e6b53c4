"""The tests of malware scanning, repeated with the real clamd instead of the fake server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from project.files.clamd import find_signature
from tests.clamd import EICAR, running_clamd
from tests.files import test_cli as commands
from tests.files.conftest import down, scanner
from tests.files.routes import test_malware_scanning as routes
from tests.files.routes.conftest import client
from tests.files.service import test_malware_scanning as service
from tests.users.factories import UserFactory

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures('scanner')]

__all__ = ['client', 'down', 'scanner']


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for the files of clamd."""
    return tmp_path_factory.mktemp('clamd')


@pytest.fixture(scope='module')
def address(folder: Path) -> Iterator[str]:
    """Run clamd and yield the URL of its port."""
    with running_clamd(folder) as address:
        yield address


@pytest.fixture
def ada() -> object:
    """Return a new user."""
    return UserFactory()


class TestHeldBack(routes.TestHeldBack):
    """Downloads are rejected until the file is scanned; these are tests of the routes."""


class TestScanOverdue(service.TestScanOverdue):
    """Scans of files whose first scan is overdue; these are tests of the service."""


class TestFilesScan(commands.TestFilesScan):
    """Tests of the command `flask files scan`."""


class TestUnixSocket:
    def test_connects_to_clamd(self, address: str, folder: Path) -> None:
        own = f'clamd://{folder}/socket'

        assert find_signature(own, [b'Hello.']) is None
        assert find_signature(own, [EICAR]) == 'Eicar-Local-Body.UNOFFICIAL'
