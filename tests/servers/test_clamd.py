"""The tests of scanning once more, with clamd itself."""

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
    """The folder of clamd."""
    return tmp_path_factory.mktemp('clamd')


@pytest.fixture(scope='module')
def address(folder: Path) -> Iterator[str]:
    """The address of clamd."""
    with running_clamd(folder) as address:
        yield address


@pytest.fixture
def ada() -> object:
    """Somebody."""
    return UserFactory()


class TestHeldBack(routes.TestHeldBack):
    """What is held back."""


class TestScanOverdue(service.TestScanOverdue):
    """What is scanned later."""


class TestFilesScan(commands.TestFilesScan):
    """The command."""


class TestUnixSocket:
    def test_is_spoken_over(self, address: str, folder: Path) -> None:
        own = f'clamd://{folder}/socket'

        assert find_signature(own, [b'Hello.']) is None
        assert find_signature(own, [EICAR]) == 'Eicar-Local-Body.UNOFFICIAL'
