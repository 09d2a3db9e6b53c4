"""A small disk with the database and the files.

Uploads must leave a reserve free, so that all other requests still work.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from .accounts import API, create_users, log_in
from .disk import Ext4
from .harness import IS_LONG, ServiceUnderTest, figure, service_under_test

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = pytest.mark.servers

MB = 1_000_000
RESERVE = 16 * MB
# The number of rejected uploads; 32 of them would fill the disk.
STALE = 60 if IS_LONG else 32


@dataclass
class OrdinaryRequests:
    """Requests other than uploads, which must always succeed."""

    service: ServiceUnderTest
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Log in, read and log out repeatedly, until the end of the block."""
        while not self._stopping.is_set():
            self.once()

    def once(self) -> None:
        """Log in, read and log out once."""
        login = log_in(self.service, 'grace')
        self.answers['log in', login.status_code] += 1
        user = User(self.service, login.json()['data']['token'])
        made = user.send('GET', '/users/me')
        self.answers['read', made.status_code] += 1
        gone = user.send('DELETE', '/auth/sessions/current')
        self.answers['log out', gone.status_code] += 1

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send these requests until the end of the block."""
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()


@dataclass(frozen=True)
class User:
    """A user who is logged in."""

    service: ServiceUnderTest
    token: str

    def send(self, method: str, path: str, **given: Any) -> requests.Response:
        """Send a request."""
        headers = {'Authorization': f'Bearer {self.token}', **given.pop('headers', {})}
        url = self.service.url + API + path
        return requests.request(method, url, headers=headers, timeout=60, **given)

    def upload(self, content: bytes) -> requests.Response:
        """Upload a file."""
        return self.send('POST', '/files', data=content)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 128 MiB. Requires root."""
    disk = Ext4(tmp_path / 'disk.ext4', tmp_path / 'var')
    disk.make(128 * 2**20)
    disk.mount()
    try:
        yield disk.at
    finally:
        disk.unmount()


def free(folder: Path) -> int:
    """Return the number of free bytes on a disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def test_other_requests_succeed_while_a_user_fills_the_disk(small_disk: Path) -> None:
    settings = {'STORAGE_MIN_FREE': '16MB', 'FILES_QUOTA': '1GB'}
    with service_under_test(small_disk, 'sqlite', **settings) as service:
        create_users(service, 'eve', 'grace')
        eve = User(service, log_in(service, 'eve').json()['data']['token'])
        ordinary_requests = OrdinaryRequests(service)
        with ordinary_requests.sending():
            rejected = stale_uploads(eve, small_disk)
            above = free(small_disk) - RESERVE
            ids, last = fill(eve)
            used = 4 * MB * len(ids)
            is_ready = requests.get(f'{service.url}/healthz', timeout=5).status_code
            trashed = eve.send('DELETE', f'/files/{ids[0]}')
            deleted = [eve.send('DELETE', f'/files/{i}?permanent=true') for i in ids[1:6]]
            service.flask('files', 'sweep')
            again = eve.upload(os.urandom(4 * MB))

        figure(
            'full disk: used part of the space above the reserve',
            used / above,
            ordinary_requests.answers,
        )
        assert rejected == Counter({412: STALE})
        assert last.status_code == 507
        assert used >= 0.9 * above
        assert free(small_disk) > RESERVE / 2
        assert (is_ready, trashed.status_code) == (200, 200)
        assert {answer.status_code for answer in deleted} == {200}
        assert again.status_code == 201
        assert {status for _, status in ordinary_requests.answers} <= {200, 201}
        assert ordinary_requests.answers['log out', 200] > 3


def stale_uploads(user: User, disk: Path) -> Counter[int]:
    """Upload repeatedly with a wrong version number (`If-Match`).

    The service rejects these uploads; none may leave bytes on the disk. They are forms: the service
    compares the condition of any other body before it reads the body.
    """
    file_id = user.upload(b'first').json()['data']['id']
    before = free(disk)
    found: Counter[int] = Counter()
    for _ in range(STALE):
        answer = user.send(
            'PUT',
            f'/files/{file_id}/content',
            files={'file': os.urandom(4 * MB)},
            headers={'If-Match': '"99"'},
        )
        found[answer.status_code] += 1
    stored = [path for path in (disk / 'storage' / 'blobs').rglob('*') if path.is_file()]
    assert len(stored) == 1
    # The write-ahead log of SQLite grows to 4 MB.
    assert before - free(disk) < 8 * MB
    return found


def fill(user: User) -> tuple[list[str], requests.Response]:
    """Upload files until the service rejects one.

    :returns: the ids of the files, and the response to the rejected upload.
    """
    ids: list[str] = []
    for _ in count():
        answer = user.upload(os.urandom(4 * MB))
        if answer.status_code != 201:
            return ids, answer
        ids.append(answer.json()['data']['id'])
    raise AssertionError
