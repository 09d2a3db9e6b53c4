"""The tests of scanning once more, with clamd itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from project.files.clamd import find_signature
from tests.clamd import EICAR, running_clamd
from tests.files.service import test_malware_scanning as scanning
from tests.files.service.test_malware_scanning import client, down, scanner
from tests.users.factories import UserFactory

pytestmark = pytest.mark.servers

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


class TestHeldBack(scanning.TestHeldBack):
    """What is held back."""


class TestScanOverdue(scanning.TestScanOverdue):
    """What is scanned later."""


class TestFilesScan(scanning.TestFilesScan):
    """The command."""


class TestUnixSocket:
    def test_is_spoken_over(self, address: str, folder: Path) -> None:
        own = f'clamd://{folder}/socket'

        assert find_signature(own, [b'Hello.']) is None
        assert find_signature(own, [EICAR]) == 'Eicar-Local-Body.UNOFFICIAL'
