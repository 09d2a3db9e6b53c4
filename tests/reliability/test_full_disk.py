"""A small disk with the database on it: uploads leave a part free, so that all else works."""

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

from .accounts import API, log_in, make_users
from .disk import Ext4
from .harness import Attacked, attacked, figure

pytestmark = pytest.mark.servers

MB = 1_000_000
RESERVE = 16 * MB
STALE = 60  # uploads over a version that is none


@dataclass
class Everyday:
    """Requests that must always work, one after the other until they are to stop."""

    service: Attacked
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Log in, read and log out until the block ends."""
        while not self._stopping.is_set():
            self.once()

    def once(self) -> None:
        """Log in, read and log out once."""
        login = log_in(self.service, 'grace')
        self.answers['log in', login.status_code] += 1
        user = User(self.service, login.json()['data']['token'])
        made = user.ask('GET', '/users/me')
        self.answers['read', made.status_code] += 1
        gone = user.ask('DELETE', '/auth/sessions/current')
        self.answers['log out', gone.status_code] += 1

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Run beside the block."""
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

    service: Attacked
    token: str

    def ask(self, method: str, path: str, **given: Any) -> requests.Response:
        """Send a request."""
        headers = {'Authorization': f'Bearer {self.token}', **given.pop('headers', {})}
        url = self.service.url + API + path
        return requests.request(method, url, headers=headers, timeout=60, **given)

    def upload(self, content: bytes) -> requests.Response:
        """Store a file."""
        return self.ask('POST', '/files', data=content)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 MB."""
    disk = Ext4(tmp_path / 'disk.ext4', tmp_path / 'var')
    disk.make(128 * 2**20)
    disk.mount()
    try:
        yield disk.at
    finally:
        disk.unmount()


def free(folder: Path) -> int:
    """Return the bytes that are free on a disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def test_everything_small_works_while_users_fill_the_disk(small_disk: Path) -> None:
    settings = {'STORAGE_MIN_FREE': '16MB', 'FILES_QUOTA': '1GB'}
    with attacked(small_disk, 'sqlite', **settings) as service:
        make_users(service, 'eve', 'grace')
        eve = User(service, log_in(service, 'eve').json()['data']['token'])
        everyday = Everyday(service)
        with everyday.meanwhile():
            rejected = stale_uploads(eve, small_disk)
            above = free(small_disk) - RESERVE
            ids, last = fill(eve)
            used = 4 * MB * len(ids)
            is_ready = requests.get(f'{service.url}/healthz', timeout=5).status_code
            trashed = eve.ask('DELETE', f'/files/{ids[0]}')
            deleted = [eve.ask('DELETE', f'/files/{i}?permanent=true') for i in ids[1:6]]
            service.flask('files', 'sweep')
            again = eve.upload(os.urandom(4 * MB))

        figure('full disk: used of what is above the reserve', used / above, everyday.answers)
        assert rejected == Counter({412: STALE})
        assert last.status_code == 507
        assert used >= 0.9 * above
        assert free(small_disk) > RESERVE / 2
        assert (is_ready, trashed.status_code) == (200, 200)
        assert {answer.status_code for answer in deleted} == {200}
        assert again.status_code == 201
        assert {status for _, status in everyday.answers} <= {200, 201}
        assert everyday.answers['log out', 200] > 3


def stale_uploads(user: User, disk: Path) -> Counter[int]:
    """Upload over a version that is none, again and again; nothing stays of it."""
    file_id = user.upload(b'first').json()['data']['id']
    before = free(disk)
    found: Counter[int] = Counter()
    for _ in range(STALE):
        answer = user.ask(
            'PUT',
            f'/files/{file_id}/content',
            data=os.urandom(4 * MB),
            headers={'If-Match': '"99"'},
        )
        found[answer.status_code] += 1
    stored = [path for path in (disk / 'storage' / 'blobs').rglob('*') if path.is_file()]
    assert len(stored) == 1
    # The log of SQLite grows to 4 MB.
    assert before - free(disk) < 8 * MB
    return found


def fill(user: User) -> tuple[list[str], requests.Response]:
    """Upload until the disk takes no more; return the files and the last answer."""
    ids: list[str] = []
    for _ in count():
        answer = user.upload(os.urandom(4 * MB))
        if answer.status_code != 201:
            return ids, answer
        ids.append(answer.json()['data']['id'])
    raise AssertionError
