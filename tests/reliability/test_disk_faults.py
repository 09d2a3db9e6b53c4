"""An error or a kill at each file system call of an upload.

Either only this call fails, and later ones succeed, including those of the cleanup; or all later
calls fail as well, as on a full disk. Afterwards the file is absent, resumable or complete. The
service must not have acknowledged an upload that failed.
"""

import errno
import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from .accounts import API, create_users, log_in
from .disk import Action, FaultInjector, Kind
from .harness import IS_LONG, ServiceUnderTest, figure, kill, service_under_test, wait_until
from .test_uploads import BROKEN, TUS, blob_of, is_ready, is_usage_consistent

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

SIZE = 2_500_000
CHUNK_BYTES = 1_000_000
POSITIONS = 1  # per kind of system call, in CI


@dataclass(frozen=True)
class Fault:
    """A disk fault, and the response statuses that are right for it.

    After a kill there is no response, so no status is right.
    """

    name: str
    action: Action
    error: int = 0
    is_permanent: bool = False
    statuses: frozenset[int] = frozenset()


FAULTS = [
    Fault('ENOSPC', Action.FAIL, errno.ENOSPC, statuses=frozenset({507})),
    Fault('ENOSPC from then on', Action.FAIL, errno.ENOSPC, True, frozenset({507})),
    Fault('EIO', Action.FAIL, errno.EIO, statuses=frozenset({503})),
    Fault('EIO from then on', Action.FAIL, errno.EIO, True, frozenset({503})),
    Fault('SIGKILL before', Action.KILL_BEFORE),
    Fault('SIGKILL after', Action.KILL_AFTER),
]


@dataclass
class Attempt:
    """An upload: its content, the acknowledged progress and the last response."""

    content: bytes = field(default_factory=lambda: os.urandom(SIZE))
    name: str = field(default_factory=lambda: os.urandom(8).hex())
    location: str = ''
    offset: int = 0
    file_id: str = ''
    response: requests.Response | None = None

    @property
    def blob(self) -> str:
        """Return the SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()


class Client:
    """A user who uploads with three methods and does not repeat failed requests."""

    def __init__(self, service: ServiceUnderTest, token: str) -> None:
        self.service = service
        self.headers = {'Authorization': f'Bearer {token}'}
        self.upload_methods: dict[str, Callable[[Attempt], None]] = {
            'tus': self.tus, 'raw': self.raw, 'form': self.form,
        }  # fmt: skip

    def send(self, method: str, path: str, **given: Any) -> requests.Response:
        """Send a request on a new connection."""
        headers = {**self.headers, **given.pop('headers', {})}
        return requests.request(
            method, self.service.url + path, headers=headers, timeout=30, **given
        )

    def read(self, method: str, path: str, **given: Any) -> requests.Response:
        """Send a read request; repeat it after a 503.

        A fault can make a pooled database connection unusable for one request.
        """
        for _ in range(MAX_READS):
            response = self.send(method, path, **given)
            if response.status_code != 503:
                break
        return response

    def raw(self, attempt: Attempt) -> None:
        """Upload a file as the request body."""
        path = f'{API}/files?name={attempt.name}'
        attempt.response = self.send('POST', path, data=attempt.content)
        self._record_file(attempt)

    def form(self, attempt: Attempt) -> None:
        """Upload a file in a multipart form."""
        files = {'file': (attempt.name, attempt.content)}
        attempt.response = self.send('POST', f'{API}/files', files=files)
        self._record_file(attempt)

    def tus(self, attempt: Attempt) -> None:
        """Upload a file in chunks, by the resumable protocol tus."""
        attempt.response = self.send('POST', f'{API}/files/uploads', headers={
            **TUS, 'Upload-Length': str(SIZE),
        })  # fmt: skip
        if attempt.response.status_code == 201:
            attempt.location = attempt.response.headers['Location']
            self.resume(attempt)

    def resume(self, attempt: Attempt) -> None:
        """Send the remaining chunks until the upload is complete or a request fails."""
        while not attempt.file_id:
            # If the connection breaks now, there must be no response from an earlier request.
            attempt.response = None
            chunk = attempt.content[attempt.offset : attempt.offset + CHUNK_BYTES]
            attempt.response = self.send('PATCH', attempt.location, data=chunk, headers={
                **TUS, 'Upload-Offset': str(attempt.offset),
                'Content-Type': 'application/offset+octet-stream',
            })  # fmt: skip
            if attempt.response.status_code != 204:
                return
            attempt.offset = int(attempt.response.headers['Upload-Offset'])
            attempt.file_id = attempt.response.headers.get('X-File-Id', '')

    def outcome(self, attempt: Attempt) -> str:
        """Return the state of an upload: absent, resumable, complete, lost or wrong.

        `lost` means that acknowledged bytes are missing, `wrong` that the content differs.
        """
        if attempt.location:
            shown = self.read('HEAD', attempt.location, headers=TUS)
            if shown.status_code != 200 or int(shown.headers['Upload-Offset']) < attempt.offset:
                return 'lost'
            found = shown.headers.get('X-File-Id', '')
            if not found:
                attempt.offset = int(shown.headers['Upload-Offset'])
                for _ in range(MAX_READS):
                    if not attempt.file_id:
                        self.resume(attempt)
                return 'resumable' if self._is_complete(attempt.file_id, attempt) else 'wrong'
        else:
            listed = self.read('GET', f'{API}/files?name={attempt.name}')
            assert listed.status_code == 200, listed.text
            found = ''.join(row['id'] for row in listed.json()['data']['items'])
        if not found:
            return 'lost' if attempt.file_id else 'absent'
        return 'complete' if self._is_complete(found, attempt) else 'wrong'

    def _is_complete(self, file_id: str, attempt: Attempt) -> bool:
        if attempt.file_id not in ('', file_id):
            return False
        found = self.read('GET', f'{API}/files/{file_id}/content')
        return found.status_code == 200 and found.content == attempt.content

    def _record_file(self, attempt: Attempt) -> None:
        if attempt.response is not None and attempt.response.status_code == 201:
            attempt.file_id = attempt.response.json()['data']['id']


class Trial:
    """A series of uploads, each with another fault, and the results."""

    def __init__(self, client: Client, disk: FaultInjector, *below: Path) -> None:
        self.client, self.service, self.disk, self.below = client, client.service, disk, below
        self.is_restricted = len(below) == 1
        self.results: Counter[str] = Counter()
        self.late_faults = 0
        self.wrong: list[str] = []

    def positions(self, upload_method: str) -> dict[Kind, int]:
        """Return the number of system calls of each kind during an upload without faults."""
        self.disk.inject(Action.PASS, *self.below)
        attempt = self._attempt(upload_method)
        self.disk.stop()
        assert self.client.outcome(attempt) == 'complete'
        return self.disk.seen

    def run(self, upload_method: str, kind: Kind, first: int, fault: Fault) -> None:
        """Upload a file, cause a fault at one system call, and record the outcome."""
        for _ in range(MAX_READS):
            self.disk.inject(
                fault.action, *self.below,
                kinds=(kind,), error=fault.error, first=first, is_permanent=fault.is_permanent,
            )  # fmt: skip
            attempt = self._attempt(upload_method)
            self.disk.stop()
            if self.disk.hit_count or attempt.file_id:
                break
            self.late_faults += 1
        wait_until(lambda: is_ready(self.service), 20)
        # Keep the response, because `outcome` resumes the upload and replaces it.
        response, is_acknowledged = attempt.response, bool(attempt.file_id)
        status = response.status_code if response is not None else 0
        outcome = self.client.outcome(attempt)
        found = [outcome] if outcome in ('lost', 'wrong') else []
        if self.disk.hit_count and not is_acknowledged:
            found += self._misleading(response, fault)
        # Failed `mkdir` and `unlink` calls may go unreported. `mkdir` also fails for an existing
        # folder; if a folder is really missing, later calls fail. Garbage collection deletes a file
        # that could not be deleted.
        may_fail = kind in (Kind.MKDIR, Kind.UNLINK)
        matters = self.is_restricted and fault.statuses and not may_fail
        if self.disk.hit_count and is_acknowledged and matters:
            found += ['acknowledged although it failed']
        if not self.disk.hit_count and not is_acknowledged:
            found += [f'status {status} without a fault']
        if outcome == 'complete' and not is_acknowledged and self.is_restricted and fault.statuses:
            found += ['complete although it was rejected']
        if not is_usage_consistent(self.service):
            found += ['inconsistent usage']
        self.results[outcome if self.disk.hit_count else 'not reached'] += 1
        where = f'{upload_method}, {kind.name} {first}, {fault.name}'
        self.wrong += [f'{where}: {what} ({status}, {outcome})' for what in found]

    def _misleading(self, response: requests.Response | None, fault: Fault) -> list[str]:
        """Return the faults of the response to a failed upload."""
        if response is None or not fault.statuses:
            is_right = response is None and not fault.statuses
            return (
                []
                if is_right
                else ['no response' if response is None else 'response of a dead process']
            )
        # An error of SQLite does not always show which system call failed.
        expected = fault.statuses if self.is_restricted else {503, 507}
        if response.status_code not in expected:
            return ['another status']
        return [] if response.json()['status'] == 'error' else ['not in JSend']

    def _attempt(self, upload_method: str) -> Attempt:
        attempt = Attempt()
        # Choose a content whose folder does not exist, so that the upload must create the folder.
        while blob_of(self.service.var, attempt.blob).parent.is_dir():
            attempt = Attempt()
        with suppress(*BROKEN):
            self.client.upload_methods[upload_method](attempt)
        return attempt


# A database connection that was opened during a fault can be unusable, once in each of the two web
# workers. So read requests are repeated.
MAX_READS = 3
# The number of uploads that may fail because of such connections, in both web workers together.
MAX_FAILED_UPLOADS = 6

SERIES = ['storage', 'database'] if IS_LONG else ['storage']


@pytest.mark.parametrize('series', SERIES)
def test_a_failing_call_leaves_no_inconsistency(tmp_path: Path, series: str) -> None:
    disk = FaultInjector(tmp_path / 'disk')
    with service_under_test(tmp_path, 'sqlite', **disk.settings) as service:
        create_users(service, 'ada')
        client = Client(service, log_in(service, 'ada').json()['data']['token'])
        below = [tmp_path / 'storage'] + [tmp_path / 'service.sqlite'] * (series == 'database')
        trial, tried = Trial(client, disk, *below), 0
        for upload_method in client.upload_methods:
            seen = trial.positions(upload_method)
            for kind, count in seen.items():
                for first in chosen(count):
                    for fault in FAULTS if IS_LONG else random.sample(FAULTS, 2):
                        trial.run(upload_method, kind, first, fault)
                        tried += 1
            figure(
                f'{series}, {upload_method}: ' + ', '.join(f'{n} {k.name}' for k, n in seen.items())
            )
        figure(
            f'{series}: {tried} faults: {dict(trial.results)}; wrong: {len(trial.wrong)}, '
            f'late: {trial.late_faults}'
        )
        # Killed processes may leave objects until the next garbage collection.
        service.flask('files', 'sweep')
        service.flask('files', 'fsck')
        assert service.scalar('PRAGMA integrity_check') == 'ok'
    assert not trial.wrong, '\n'.join(trial.wrong)
    assert trial.results['not reached'] <= tried // 3


def test_uploads_succeed_after_a_short_lack_of_space(tmp_path: Path) -> None:
    disk = FaultInjector(tmp_path / 'disk')
    with service_under_test(tmp_path, 'sqlite', **disk.settings) as service:
        create_users(service, 'ada')
        client = Client(service, log_in(service, 'ada').json()['data']['token'])
        # If SQLite cannot open this file for writing, it opens the file read-only, for all
        # connections of the process.
        index = tmp_path / 'service.sqlite-shm'
        disk.inject(Action.FAIL, index, kinds=(Kind.OPEN,), error=errno.ENOSPC, is_permanent=True)
        for pid in service.web_workers:
            kill(pid)
        wait_until(lambda: is_ready(service), 20)
        with ThreadPoolExecutor(16) as many:
            codes = many.map(lambda _: client.send('GET', f'{API}/files').status_code, range(200))
            assert set(codes) == {200}
        assert disk.hit_count
        disk.stop()
        attempts = [Attempt() for _ in range(40)]
        for attempt in attempts:
            client.raw(attempt)
        rejected = [attempt for attempt in attempts if not attempt.file_id]
        figure(f'after a short lack of space {len(rejected)} of {len(attempts)} uploads refused')
        assert len(rejected) <= MAX_FAILED_UPLOADS
        assert {a.response.status_code for a in rejected if a.response is not None} <= {503}


def chosen(count: int) -> list[int]:
    """Return the numbers of the system calls to fail: all of them, or in CI a sample."""
    return list(range(count)) if IS_LONG else random.sample(range(count), min(count, POSITIONS))
