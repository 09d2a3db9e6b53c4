"""A disk that fails, or a process that dies, at each call of an upload: nothing wrong is kept.

One call fails and those after it work again, for cleaning up has to work then, too; or all that
come after it fail as well, as on a disk that is full. Then the file is absent, or an upload that
can be resumed, or complete; and who failed was not told otherwise.
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

from .accounts import API, log_in, make_users
from .disk import Action, Disk, Kind
from .harness import IS_LONG, Attacked, attacked, figure, kill, wait_until
from .test_uploads import BROKEN, TUS, blob_of, is_ready, ledger_is_right

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

SIZE = 2_500_000
PIECE = 1_000_000
POSITIONS = 1  # of each kind of call, where not all are tried


@dataclass(frozen=True)
class Fault:
    """What happens, and which answers say so; a process that died says nothing."""

    name: str
    action: Action
    error: int = 0
    lasts: bool = False
    answers: frozenset[int] = frozenset()


FAULTS = [
    Fault('ENOSPC', Action.FAIL, errno.ENOSPC, answers=frozenset({507})),
    Fault('ENOSPC from there on', Action.FAIL, errno.ENOSPC, True, frozenset({507})),
    Fault('EIO', Action.FAIL, errno.EIO, answers=frozenset({503})),
    Fault('EIO from there on', Action.FAIL, errno.EIO, True, frozenset({503})),
    Fault('SIGKILL before', Action.KILL_BEFORE),
    Fault('SIGKILL after', Action.KILL_AFTER),
]


@dataclass
class Attempt:
    """An upload that somebody tried, as far as it came, and what was wrong about that."""

    content: bytes = field(default_factory=lambda: os.urandom(SIZE))
    name: str = field(default_factory=lambda: os.urandom(8).hex())
    place: str = ''
    offset: int = 0
    file_id: str = ''
    answer: requests.Response | None = None

    @property
    def blob(self) -> str:
        """Return the hash of the content."""
        return hashlib.sha256(self.content).hexdigest()


class Client:
    """Somebody who uploads in each way, once; what broke is not tried again."""

    def __init__(self, service: Attacked, token: str) -> None:
        self.service = service
        self.headers = {'Authorization': f'Bearer {token}'}
        self.ways: dict[str, Callable[[Attempt], None]] = {
            'tus': self.tus, 'raw': self.raw, 'form': self.form,
        }  # fmt: skip

    def ask(self, method: str, path: str, **given: Any) -> requests.Response:
        """Send a request on a connection of its own."""
        headers = {**self.headers, **given.pop('headers', {})}
        return requests.request(
            method, self.service.url + path, headers=headers, timeout=30, **given
        )

    def look(self, method: str, path: str, **given: Any) -> requests.Response:
        """Read; once more where that finds out how bad a connection is."""
        for _ in range(LATE):
            answer = self.ask(method, path, **given)
            if answer.status_code != 503:
                break
        return answer

    def raw(self, attempt: Attempt) -> None:
        """Upload at once."""
        path = f'{API}/files?name={attempt.name}'
        attempt.answer = self.ask('POST', path, data=attempt.content)
        self._record_file(attempt)

    def form(self, attempt: Attempt) -> None:
        """Upload a form."""
        files = {'file': (attempt.name, attempt.content)}
        attempt.answer = self.ask('POST', f'{API}/files', files=files)
        self._record_file(attempt)

    def tus(self, attempt: Attempt) -> None:
        """Upload in pieces."""
        attempt.answer = self.ask('POST', f'{API}/files/uploads', headers={
            **TUS, 'Upload-Length': str(SIZE),
        })  # fmt: skip
        if attempt.answer.status_code == 201:
            attempt.place = attempt.answer.headers['Location']
            self.go_on(attempt)

    def go_on(self, attempt: Attempt) -> None:
        """Send the pieces that are missing, until there is a file or a refusal."""
        while not attempt.file_id:
            # A connection that breaks now leaves no answer.
            attempt.answer = None
            piece = attempt.content[attempt.offset : attempt.offset + PIECE]
            attempt.answer = self.ask('PATCH', attempt.place, data=piece, headers={
                **TUS, 'Upload-Offset': str(attempt.offset),
                'Content-Type': 'application/offset+octet-stream',
            })  # fmt: skip
            if attempt.answer.status_code != 204:
                return
            attempt.offset = int(attempt.answer.headers['Upload-Offset'])
            attempt.file_id = attempt.answer.headers.get('X-File-Id', '')

    def outcome(self, attempt: Attempt) -> str:
        """Tell what has become of it: absent, resumable or complete; or what is wrong."""
        if attempt.place:
            shown = self.look('HEAD', attempt.place, headers=TUS)
            if shown.status_code != 200 or int(shown.headers['Upload-Offset']) < attempt.offset:
                return 'lost'
            found = shown.headers.get('X-File-Id', '')
            if not found:
                attempt.offset = int(shown.headers['Upload-Offset'])
                for _ in range(LATE):
                    if not attempt.file_id:
                        self.go_on(attempt)
                return 'resumable' if self._is_complete(attempt.file_id, attempt) else 'wrong'
        else:
            listed = self.look('GET', f'{API}/files?name={attempt.name}')
            assert listed.status_code == 200, listed.text
            found = ''.join(row['id'] for row in listed.json()['data']['items'])
        if not found:
            return 'lost' if attempt.file_id else 'absent'
        return 'complete' if self._is_complete(found, attempt) else 'wrong'

    def _is_complete(self, file_id: str, attempt: Attempt) -> bool:
        if attempt.file_id not in ('', file_id):
            return False
        found = self.look('GET', f'{API}/files/{file_id}/content')
        return found.status_code == 200 and found.content == attempt.content

    def _record_file(self, attempt: Attempt) -> None:
        if attempt.answer is not None and attempt.answer.status_code == 201:
            attempt.file_id = attempt.answer.json()['data']['id']


class Trial:
    """Faults, one after another, each in an upload of its own; and what came of them."""

    def __init__(self, client: Client, disk: Disk, *below: Path) -> None:
        self.client, self.service, self.disk, self.below = client, client.service, disk, below
        self.is_restricted = len(below) == 1
        self.results: Counter[str] = Counter()
        self.late = 0
        self.wrong: list[str] = []

    def positions(self, way: str) -> dict[Kind, int]:
        """Return how many calls of each kind an upload makes that nothing happens to."""
        self.disk.order(Action.PASS, *self.below)
        attempt = self._attempt(way)
        self.disk.calm()
        assert self.client.outcome(attempt) == 'complete'
        return self.disk.seen

    def run(self, way: str, kind: Kind, first: int, fault: Fault) -> None:
        """Let it happen, and look at what came of it."""
        for _ in range(LATE):
            self.disk.order(
                fault.action, *self.below,
                kinds=(kind,), error=fault.error, first=first, lasts=fault.lasts,
            )  # fmt: skip
            attempt = self._attempt(way)
            self.disk.calm()
            if self.disk.struck or attempt.file_id:
                break
            self.late += 1
        wait_until(lambda: is_ready(self.service), 20)
        # Kept now: what is resumed to see what there is gets answers of its own.
        answer, is_told = attempt.answer, bool(attempt.file_id)
        status = answer.status_code if answer is not None else 0
        outcome = self.client.outcome(attempt)
        found = [outcome] if outcome in ('lost', 'wrong') else []
        if self.disk.struck and not is_told:
            found += self._misleading(answer, fault)
        # Each process makes folders anew, and one that is there may as well fail to be made: what
        # was to lie in one that is not has no name then, and its outcome says so. What cannot be
        # removed is swept.
        may_fail = kind in (Kind.MKDIR, Kind.UNLINK)
        matters = self.is_restricted and fault.answers and not may_fail
        if self.disk.struck and is_told and matters:
            found += ['acknowledged, though it failed']
        if not self.disk.struck and not is_told:
            found += [f'answered {status}, though nothing happened']
        if outcome == 'complete' and not is_told and self.is_restricted and fault.answers:
            found += ['complete, though it was refused']
        if not ledger_is_right(self.service):
            found += ['ledger']
        self.results[outcome if self.disk.struck else 'not reached'] += 1
        where = f'{way}, {kind.name} {first}, {fault.name}'
        self.wrong += [f'{where}: {what} ({status}, {outcome})' for what in found]

    def _misleading(self, answer: requests.Response | None, fault: Fault) -> list[str]:
        """Tell what is wrong with how a failure was answered."""
        if answer is None or not fault.answers:
            is_right = answer is None and not fault.answers
            return [] if is_right else ['not answered' if answer is None else 'answered when dead']
        # What the database says of a call that failed is not always which one did.
        expected = fault.answers if self.is_restricted else {503, 507}
        if answer.status_code not in expected:
            return ['answered otherwise']
        return [] if answer.json()['status'] == 'error' else ['not said in JSend']

    def _attempt(self, way: str) -> Attempt:
        attempt = Attempt()
        # A folder that is there already would not be made.
        while blob_of(self.service.var, attempt.blob).parent.is_dir():
            attempt = Attempt()
        with suppress(*BROKEN):
            self.client.ways[way](attempt)
        return attempt


# How often it may turn out later that a connection to the database, opened in the moment of a fault
# before, is good for nothing: once in each of the two workers.
LATE = 3
# How many uploads may find that out until all is well again, in both workers together.
MOST_LATE = 6

SERIES = ['storage', 'database'] if IS_LONG else ['storage']


@pytest.mark.parametrize('series', SERIES)
def test_a_call_that_fails_leaves_nothing_wrong(tmp_path: Path, series: str) -> None:
    disk = Disk(tmp_path / 'disk')
    with attacked(tmp_path, 'sqlite', **disk.settings) as service:
        make_users(service, 'ada')
        client = Client(service, log_in(service, 'ada').json()['data']['token'])
        below = [tmp_path / 'storage'] + [tmp_path / 'service.sqlite'] * (series == 'database')
        trial, tried = Trial(client, disk, *below), 0
        for way in client.ways:
            seen = trial.positions(way)
            for kind, count in seen.items():
                for first in chosen(count):
                    for fault in FAULTS if IS_LONG else random.sample(FAULTS, 2):
                        trial.run(way, kind, first, fault)
                        tried += 1
            figure(f'{series}, {way}: ' + ', '.join(f'{n} {k.name}' for k, n in seen.items()))
        figure(
            f'{series}: {tried} faults: {dict(trial.results)}; wrong: {len(trial.wrong)}, '
            f'noticed late: {trial.late}'
        )
        # Of killed processes something may be left until the next garbage collection.
        service.flask('files', 'sweep')
        service.flask('files', 'fsck')
        assert service.scalar('PRAGMA integrity_check') == 'ok'
    assert not trial.wrong, '\n'.join(trial.wrong)
    assert trial.results['not reached'] <= tried // 3


def test_a_moment_without_space_passes(tmp_path: Path) -> None:
    disk = Disk(tmp_path / 'disk')
    with attacked(tmp_path, 'sqlite', **disk.settings) as service:
        make_users(service, 'ada')
        client = Client(service, log_in(service, 'ada').json()['data']['token'])
        # What a process cannot open for writing, SQLite opens for reading; for all its connections.
        index = tmp_path / 'service.sqlite-shm'
        disk.order(Action.FAIL, index, kinds=(Kind.OPEN,), error=errno.ENOSPC, lasts=True)
        for pid in service.web_workers:
            kill(pid)
        wait_until(lambda: is_ready(service), 20)
        with ThreadPoolExecutor(16) as many:
            codes = many.map(lambda _: client.ask('GET', f'{API}/files').status_code, range(200))
            assert set(codes) == {200}
        assert disk.struck
        disk.calm()
        attempts = [Attempt() for _ in range(40)]
        for attempt in attempts:
            client.raw(attempt)
        refused = [attempt for attempt in attempts if not attempt.file_id]
        figure(f'after a moment without room {len(refused)} of {len(attempts)} uploads refused')
        assert len(refused) <= MOST_LATE
        assert {a.answer.status_code for a in refused if a.answer is not None} <= {503}


def chosen(count: int) -> list[int]:
    """Return which of so many calls are to fail."""
    return list(range(count)) if IS_LONG else random.sample(range(count), min(count, POSITIONS))
