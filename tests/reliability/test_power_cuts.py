"""The power is cut while bytes come in: what was acknowledged is there when the machine is back.

Database and bytes lie on an ext4 each, on loop devices: on a common one every commit of the
database would make durable what the storage forgot to. From the cut on nothing reaches them, and
the next mount replays their journals. What the kernel had given to a device by then counts as
kept, flushed or not: disks that forget their own cache are not part of this.
"""

import hashlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from .accounts import API, PASSWORD, log_in, make_users
from .disk import Action, Disk, Ext4, Kind
from .harness import IS_LONG, Attacked, attacked, children, figure, kill, wait_until
from .test_uploads import BROKEN, TUS, ledger_is_right

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

ROUNDS = 20 if IS_LONG else 2
CONTROLS = 3 if IS_LONG else 1
DEATHS = 20 if IS_LONG else 2  # of disks, under a service that goes on
SIZES = [1, 5_000, 70_000, 700_000, 3_000_000]
DISK_BYTES = 512 * 1024 * 1024  # of each disk, in a sparse file


@dataclass
class Promise:
    """What a client was told about its bytes: a row once they are a file, else an offset."""

    content: bytes
    offset: int = 0
    place: str = ''
    file_id: str = ''
    row: dict[str, Any] = field(default_factory=dict)


class Client:
    """Somebody who uploads until nobody answers any more, and remembers what was acknowledged."""

    def __init__(self, service: Attacked, token: str) -> None:
        self.url = service.url
        self.session = requests.Session()
        self.session.headers['Authorization'] = f'Bearer {token}'
        self.promises: list[Promise] = []
        self.refused: list[tuple[float, int]] = []

    def upload(self) -> None:
        """Upload one thing after another, each another way."""
        ways = [self.raw, self.form, self.tus]
        try:
            while not self.refused:
                content = os.urandom(random.choice(SIZES))
                random.choice(ways)(content)
        except BROKEN:
            pass

    def raw(self, content: bytes) -> None:
        """Upload at once."""
        self._kept(content, self._ask('POST', f'{API}/files?name=raw', data=content))

    def form(self, content: bytes) -> None:
        """Upload a form."""
        self._kept(content, self._ask('POST', f'{API}/files', files={'file': ('form', content)}))

    def tus(self, content: bytes) -> None:
        """Upload in pieces."""
        created = self._ask(
            'POST', f'{API}/files/uploads', headers={**TUS, 'Upload-Length': str(len(content))}
        )
        if created.status_code == 201:
            promise = Promise(content, place=created.headers['Location'])
            self.promises.append(promise)
            self.go_on(promise, random.choice([len(content), 1 + len(content) // 5]))

    def go_on(self, promise: Promise, size: int) -> None:
        """Send pieces from the acknowledged offset on, until there is a file or a refusal."""
        while not promise.file_id:
            piece = promise.content[promise.offset : promise.offset + size]
            answer = self._ask('PATCH', promise.place, data=piece, headers={
                **TUS, 'Upload-Offset': str(promise.offset),
                'Content-Type': 'application/offset+octet-stream',
            })  # fmt: skip
            if answer.status_code != 204:
                return
            promise.offset = int(answer.headers['Upload-Offset'])
            promise.file_id = answer.headers.get('X-File-Id', '')

    def keeps(self, promise: Promise) -> bool:
        """Tell whether what was acknowledged is there; what is on its way is brought to its end."""
        if promise.place:
            shown = self._ask('HEAD', promise.place, headers=TUS)
            if shown.status_code != 200 or int(shown.headers['Upload-Offset']) < promise.offset:
                return False
            if promise.file_id != shown.headers.get('X-File-Id', '') and promise.file_id:
                return False
            promise.offset = int(shown.headers['Upload-Offset'])
            promise.file_id = shown.headers.get('X-File-Id', '')
            self.go_on(promise, len(promise.content))
        row = self._ask('GET', f'{API}/files/{promise.file_id}')
        if row.status_code != 200 or (promise.row and row.json()['data'] != promise.row):
            return False
        found = self._ask('GET', f'{API}/files/{promise.file_id}/content')
        return found.status_code == 200 and sha256(found.content) == sha256(promise.content)

    def _ask(self, method: str, path: str, **given: Any) -> requests.Response:
        answer = self.session.request(method, self.url + path, timeout=20, **given)
        if answer.status_code >= 300:
            self.refused.append((time.monotonic(), answer.status_code))
        return answer

    def _kept(self, content: bytes, answer: requests.Response) -> None:
        if answer.status_code == 201:
            row = answer.json()['data']
            self.promises.append(Promise(content, file_id=row['id'], row=row))


@dataclass
class Disks:
    """Two disks that lose their power together."""

    database: Ext4
    storage: Ext4

    def cut(self) -> None:
        """Cut the power. Which of both is first does not matter: no order is promised."""
        both = [self.database, self.storage]
        for disk in random.sample(both, 2):
            disk.cut()

    def mount(self) -> None:
        """Open both."""
        self.database.mount()
        self.storage.mount()

    def unmount(self) -> None:
        """Close both."""
        self.storage.unmount()
        self.database.unmount()


@contextmanager
def disks(folder: Path) -> Iterator[Disks]:
    """Make disks: a folder for a service, in which another is for its bytes."""
    database = Ext4(folder / 'database.ext4', folder / 'var')
    storage = Ext4(folder / 'storage.ext4', folder / 'var' / 'storage')
    both = Disks(database, storage)
    for disk in (database, storage):
        disk.make(DISK_BYTES)
    both.mount()
    try:
        yield both
    finally:
        both.unmount()
        database.image.unlink()
        storage.image.unlink()


def sha256(content: bytes) -> str:
    """Return a hash, which is short where it differs."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def uploading(service: Attacked, token: str) -> Iterator[list[Client]]:
    """Let clients upload, and give them once each was told something; wait for their end."""
    clients = [Client(service, token) for _ in range(3)]
    threads = [threading.Thread(target=client.upload) for client in clients]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(client.promises for client in clients), 20)
    yield clients
    for thread in threads:
        thread.join(30)


def processes_of(service: Attacked) -> list[int]:
    """Return all of them."""
    assert service.supervisor
    return [service.web.pid, *children(service.web.pid), *children(service.supervisor)]


def promises_until_the_cut(both: Disks, disk: Disk | None = None) -> list[Promise]:
    """Let clients upload, cut the power at some moment, and return what they were told."""
    var = both.database.at
    with attacked(var, 'sqlite', **(disk.settings if disk else {})) as service:
        make_users(service, 'ada')
        token = log_in(service, 'ada').json()['data']['token']
        if disk:
            both.database.sync()
            both.storage.sync()
            disk.order(Action.LIE, var, kinds=(Kind.FSYNC,), lasts=True)
        with uploading(service, token) as clients:
            time.sleep(random.uniform(0, 2))
            cut = time.monotonic()
            running = processes_of(service)
            # Nobody acts on anything that happens after the cut, or between that of the one disk
            # and the other: a call that was under way may be told that all is well.
            for pid in running:
                os.kill(pid, signal.SIGSTOP)
            both.cut()
            for pid in running:
                kill(pid)
            service.web.wait()
    both.unmount()
    assert not both.database.is_clean
    assert not both.storage.is_clean
    assert not [status for client in clients for at, status in client.refused if at < cut]
    return [promise for client in clients for promise in client.promises]


def lost_after(both: Disks, promises: list[Promise]) -> int:
    """Start again on what the disks have kept, and count the promises that are broken."""
    both.mount()
    with attacked(both.database.at, 'sqlite') as service:
        assert service.scalar('PRAGMA integrity_check') == 'ok'
        service.flask('files', 'fsck')
        assert ledger_is_right(service)
        client = Client(service, log_in(service, 'ada', PASSWORD).json()['data']['token'])
        lost = sum(not client.keeps(promise) for promise in promises)
        service.flask('files', 'fsck')
        return lost


def test_what_was_acknowledged_survives_every_power_cut(tmp_path: Path) -> None:
    files = pieces = lost = 0
    for _ in range(ROUNDS):
        with disks(tmp_path) as both:
            promises = promises_until_the_cut(both)
            files += sum(bool(promise.file_id) for promise in promises)
            pieces += sum(not promise.file_id for promise in promises)
            lost += lost_after(both, promises)
    figure(
        f'{ROUNDS} power cuts: {files} files and {pieces} unfinished uploads acknowledged, '
        f'{lost} of them lost or wrong'
    )
    assert lost == 0
    assert files >= ROUNDS


def test_a_service_that_outlives_its_disks_says_so(tmp_path: Path) -> None:
    log, answers = tmp_path / 'log', Counter[int]()
    # On a disk of its own: nobody reads what is on the others any more.
    logged = ['sh', '-c', f'exec "$@" > {log} 2>&1', 'sh']
    for _ in range(DEATHS):
        with (
            disks(tmp_path) as both,
            attacked(both.database.at, 'sqlite', within=logged) as service,
        ):
            make_users(service, 'ada')
            with uploading(service, log_in(service, 'ada').json()['data']['token']) as clients:
                time.sleep(random.uniform(0, 1))
                both.cut()
            for pid in processes_of(service):
                kill(pid)
            service.web.wait()
            answers.update(status for client in clients for _, status in client.refused)
    figure(f'{DEATHS} times both disks dead, answered with {dict(answers)}')
    assert set(answers) == {503}, log.read_text()


def test_a_disk_that_only_says_that_it_has_synced_loses_something(tmp_path: Path) -> None:
    disk, faulty = Disk(tmp_path / 'disk'), 0
    for _ in range(CONTROLS):
        with disks(tmp_path) as both:
            promises = promises_until_the_cut(both, disk)
            disk.calm()
            try:
                faulty += lost_after(both, promises) > 0
            except AssertionError:
                # The database is damaged, or rows are without their bytes.
                faulty += 1
    figure(f'{CONTROLS} power cuts without fsync: after {faulty} of them something was lost')
    assert faulty
