"""Power cuts during uploads: all acknowledged data must exist after the restart.

The database and the storage have separate ext4 file systems on loop devices. On a common file
system, each commit of the database would also flush the files of the storage. After the cut no
write reaches the devices, and the next mount replays their journals. Data that the kernel has
written to a device counts as kept: the tests do not simulate disks that lose their own cache.
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

from .accounts import API, PASSWORD, create_users, log_in
from .disk import Action, Ext4, FaultInjector, Kind
from .harness import (
    IS_LONG,
    ServiceUnderTest,
    children,
    figure,
    kill,
    service_under_test,
    wait_until,
)
from .test_uploads import BROKEN, TUS, is_usage_consistent

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

ROUNDS = 20 if IS_LONG else 2
CONTROLS = 3 if IS_LONG else 1
# The number of rounds in which the disks fail and the service continues to run.
FAILURES = 20 if IS_LONG else 2
SIZES = [1, 5_000, 70_000, 700_000, 3_000_000]
DISK_BYTES = 512 * 1024 * 1024  # of each disk, in a sparse file


@dataclass
class Acknowledgement:
    """An upload that the service has acknowledged.

    It is complete, with the row of the file, or unfinished, with an offset.
    """

    content: bytes
    offset: int = 0
    location: str = ''
    file_id: str = ''
    row: dict[str, Any] = field(default_factory=dict)


class Client:
    """A client that uploads until a request fails, and records the acknowledged files."""

    def __init__(self, service: ServiceUnderTest, token: str) -> None:
        self.url = service.url
        self.session = requests.Session()
        self.session.headers['Authorization'] = f'Bearer {token}'
        self.acknowledgements: list[Acknowledgement] = []
        self.failed: list[tuple[float, int]] = []

    def upload(self) -> None:
        """Upload random contents, each by a random method, until a request fails."""
        upload_methods = [self.raw, self.form, self.tus]
        try:
            while not self.failed:
                content = os.urandom(random.choice(SIZES))
                random.choice(upload_methods)(content)
        except BROKEN:
            pass

    def raw(self, content: bytes) -> None:
        """Upload a file as the request body."""
        self._record(content, self._send('POST', f'{API}/files?name=raw', data=content))

    def form(self, content: bytes) -> None:
        """Upload a file in a multipart form."""
        self._record(content, self._send('POST', f'{API}/files', files={'file': ('form', content)}))

    def tus(self, content: bytes) -> None:
        """Upload a file in chunks, by the resumable protocol tus."""
        created = self._send(
            'POST', f'{API}/files/uploads', headers={**TUS, 'Upload-Length': str(len(content))}
        )
        if created.status_code == 201:
            acknowledgement = Acknowledgement(content, location=created.headers['Location'])
            self.acknowledgements.append(acknowledgement)
            self.resume(acknowledgement, random.choice([len(content), 1 + len(content) // 5]))

    def resume(self, acknowledgement: Acknowledgement, size: int) -> None:
        """Send the chunks after the acknowledged offset, until the end or a failed request."""
        while not acknowledgement.file_id:
            chunk = acknowledgement.content[acknowledgement.offset : acknowledgement.offset + size]
            answer = self._send('PATCH', acknowledgement.location, data=chunk, headers={
                **TUS, 'Upload-Offset': str(acknowledgement.offset),
                'Content-Type': 'application/offset+octet-stream',
            })  # fmt: skip
            if answer.status_code != 204:
                return
            acknowledgement.offset = int(answer.headers['Upload-Offset'])
            acknowledgement.file_id = answer.headers.get('X-File-Id', '')

    def is_kept(self, acknowledgement: Acknowledgement) -> bool:
        """Return whether all acknowledged data of an upload still exists.

        Completes an unfinished upload in order to compare its content.
        """
        if acknowledgement.location:
            shown = self._send('HEAD', acknowledgement.location, headers=TUS)
            if (
                shown.status_code != 200
                or int(shown.headers['Upload-Offset']) < acknowledgement.offset
            ):
                return False
            if (
                acknowledgement.file_id != shown.headers.get('X-File-Id', '')
                and acknowledgement.file_id
            ):
                return False
            acknowledgement.offset = int(shown.headers['Upload-Offset'])
            acknowledgement.file_id = shown.headers.get('X-File-Id', '')
            self.resume(acknowledgement, len(acknowledgement.content))
        row = self._send('GET', f'{API}/files/{acknowledgement.file_id}')
        if row.status_code != 200 or (
            acknowledgement.row and row.json()['data'] != acknowledgement.row
        ):
            return False
        found = self._send('GET', f'{API}/files/{acknowledgement.file_id}/content')
        return found.status_code == 200 and sha256(found.content) == sha256(acknowledgement.content)

    def _send(self, method: str, path: str, **given: Any) -> requests.Response:
        answer = self.session.request(method, self.url + path, timeout=20, **given)
        if answer.status_code >= 300:
            self.failed.append((time.monotonic(), answer.status_code))
        return answer

    def _record(self, content: bytes, answer: requests.Response) -> None:
        if answer.status_code == 201:
            row = answer.json()['data']
            self.acknowledgements.append(Acknowledgement(content, file_id=row['id'], row=row))


@dataclass
class Disks:
    """Two disks that lose their power at the same time."""

    database: Ext4
    storage: Ext4

    def cut(self) -> None:
        """Cut the power of both disks, in random order, on which the service must not depend."""
        both = [self.database, self.storage]
        for disk in random.sample(both, 2):
            disk.cut()

    def mount(self) -> None:
        """Mount both disks."""
        self.database.mount()
        self.storage.mount()

    def unmount(self) -> None:
        """Unmount both disks."""
        self.storage.unmount()
        self.database.unmount()


@contextmanager
def disks(folder: Path) -> Iterator[Disks]:
    """Create and mount two disks: one for the database, the other for the storage in it.

    The second one is mounted at a folder of the first.
    """
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
    """Return the SHA-256. If a comparison fails, pytest prints it instead of the content."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def uploading(service: ServiceUnderTest, token: str) -> Iterator[list[Client]]:
    """Run uploading clients until the end of the block.

    The block begins when each client has an acknowledgement.
    """
    clients = [Client(service, token) for _ in range(3)]
    threads = [threading.Thread(target=client.upload) for client in clients]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(client.acknowledgements for client in clients), 20)
    yield clients
    for thread in threads:
        thread.join(30)


def processes_of(service: ServiceUnderTest) -> list[int]:
    """Return the process ids of a service."""
    assert service.supervisor
    return [service.web.pid, *children(service.web.pid), *children(service.supervisor)]


def upload_until_the_cut(both: Disks, disk: FaultInjector | None = None) -> list[Acknowledgement]:
    """Run uploads and cut the power at a random time; return the acknowledged files."""
    var = both.database.at
    with service_under_test(var, 'sqlite', **(disk.settings if disk else {})) as service:
        create_users(service, 'ada')
        token = log_in(service, 'ada').json()['data']['token']
        if disk:
            both.database.sync()
            both.storage.sync()
            disk.inject(Action.FAKE_SUCCESS, var, kinds=(Kind.FSYNC,), is_permanent=True)
        with uploading(service, token) as clients:
            time.sleep(random.uniform(0, 2))
            cut = time.monotonic()
            running = processes_of(service)
            # Pause all processes: none may react to the power cut, or run between the cuts of the
            # two disks. A running system call may still return success.
            for pid in running:
                os.kill(pid, signal.SIGSTOP)
            both.cut()
            for pid in running:
                kill(pid)
            service.web.wait()
    both.unmount()
    assert not both.database.is_clean
    assert not both.storage.is_clean
    assert not [status for client in clients for at, status in client.failed if at < cut]
    return [acknowledgement for client in clients for acknowledgement in client.acknowledgements]


def lost_after(both: Disks, acknowledgements: list[Acknowledgement]) -> int:
    """Restart the service on the disks; return how many acknowledged uploads are lost."""
    both.mount()
    with service_under_test(both.database.at, 'sqlite') as service:
        assert service.scalar('PRAGMA integrity_check') == 'ok'
        # If the cut was before the commit, the last step of an upload has left bytes without a row.
        service.flask('files', 'sweep')
        service.flask('files', 'fsck')
        assert is_usage_consistent(service)
        client = Client(service, log_in(service, 'ada', PASSWORD).json()['data']['token'])
        lost = sum(not client.is_kept(acknowledgement) for acknowledgement in acknowledgements)
        service.flask('files', 'fsck')
        return lost


def test_acknowledged_uploads_survive_power_cuts(tmp_path: Path) -> None:
    files = unfinished = lost = 0
    for _ in range(ROUNDS):
        with disks(tmp_path) as both:
            acknowledgements = upload_until_the_cut(both)
            files += sum(bool(acknowledgement.file_id) for acknowledgement in acknowledgements)
            unfinished += sum(not acknowledgement.file_id for acknowledgement in acknowledgements)
            lost += lost_after(both, acknowledgements)
    figure(
        f'{ROUNDS} power cuts: {files} files and {unfinished} unfinished uploads acknowledged, '
        f'{lost} of them lost or wrong'
    )
    assert lost == 0
    assert files >= ROUNDS


def test_a_service_that_outlives_its_disks_returns_503(tmp_path: Path) -> None:
    log, answers = tmp_path / 'log', Counter[int]()
    # The log is on another disk, because the two disks can no longer be read.
    with_log = ['sh', '-c', f'exec "$@" > {log} 2>&1', 'sh']
    for _ in range(FAILURES):
        with (
            disks(tmp_path) as both,
            service_under_test(both.database.at, 'sqlite', within=with_log) as service,
        ):
            create_users(service, 'ada')
            with uploading(service, log_in(service, 'ada').json()['data']['token']) as clients:
                time.sleep(random.uniform(0, 1))
                both.cut()
            for pid in processes_of(service):
                kill(pid)
            service.web.wait()
            answers.update(status for client in clients for _, status in client.failed)
    figure(f'{FAILURES} times both disks dead, answered with {dict(answers)}')
    assert set(answers) == {503}, log.read_text()


def test_a_disk_with_fake_fsync_loses_data(tmp_path: Path) -> None:
    disk, faulty = FaultInjector(tmp_path / 'disk'), 0
    for _ in range(CONTROLS):
        with disks(tmp_path) as both:
            acknowledgements = upload_until_the_cut(both, disk)
            disk.stop()
            try:
                faulty += lost_after(both, acknowledgements) > 0
            except AssertionError:
                # The database is damaged, or it has rows whose objects are missing.
                faulty += 1
    figure(f'{CONTROLS} power cuts without fsync: after {faulty} of them data was lost')
    assert faulty
