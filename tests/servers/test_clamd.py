"""The tests of malware scanning, with clamd instead of the fake server."""

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
    """Return the folder of clamd."""
    return tmp_path_factory.mktemp('clamd')


@pytest.fixture(scope='module')
def address(folder: Path) -> Iterator[str]:
    """Run clamd and yield its URL."""
    with running_clamd(folder) as address:
        yield address


@pytest.fixture
def ada() -> object:
    """Return a user."""
    return UserFactory()


class TestHeldBack(routes.TestHeldBack):
    """Files held back until they are scanned."""


class TestScanOverdue(service.TestScanOverdue):
    """Scans of overdue files."""


class TestFilesScan(commands.TestFilesScan):
    """The command `flask files scan`."""


class TestUnixSocket:
    def test_connects_to_clamd(self, address: str, folder: Path) -> None:
        own = f'clamd://{folder}/socket'

        assert find_signature(own, [b'Hello.']) is None
        assert find_signature(own, [EICAR]) == 'Eicar-Local-Body.UNOFFICIAL'
