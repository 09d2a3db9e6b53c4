"""Workers killed while bytes come in: what was acknowledged is there, and the ledger is right."""

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from .accounts import API, PASSWORD, log_in, make_users
from .harness import IS_LONG, Attacked, attacked, figure, kill, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

ROUNDS = 70 if IS_LONG else 4  # of each way in
SIZE = 24 * 1024 * 1024
PIECE = 2 * 1024 * 1024
CASES = ['sqlite', 'postgresql'] if IS_LONG else ['sqlite']
TUS = {'Tus-Resumable': '1.0.0'}

# How a client sees that whoever answered was killed.
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


class Client:
    """Somebody who uploads, and remembers what was acknowledged."""

    def __init__(self, service: Attacked, token: str) -> None:
        self.url = service.url + API
        self.headers = {'Authorization': f'Bearer {token}'}
        self.lost = self.wrong = self.acknowledged = 0

    def ask(self, method: str, path: str, **given: Any) -> requests.Response:
        """Send a request on a connection of its own, and again while nobody answers."""
        url = path if path.startswith('http') else self.url + path
        headers = {**self.headers, **given.pop('headers', {})}
        deadline = time.monotonic() + 30
        while True:
            try:
                return requests.request(method, url, headers=headers, timeout=20, **given)
            except BROKEN:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def tus(self, content: bytes) -> None:
        """Upload in pieces, resumed where it broke off; what was acknowledged must be there."""
        created = self.ask('POST', '/files/uploads', headers={
            **TUS, 'Upload-Length': str(len(content)),
        })  # fmt: skip
        place = self.url.removesuffix(API) + created.headers['Location']
        acknowledged, file_id = 0, ''
        while not file_id:
            shown = self.ask('HEAD', place, headers=TUS)
            offset = int(shown.headers['Upload-Offset'])
            self.lost += max(0, acknowledged - offset)
            file_id = shown.headers.get('X-File-Id', '')
            with suppress(*BROKEN):
                while not file_id:
                    answer = requests.patch(
                        place, data=content[offset : offset + PIECE], timeout=20,
                        headers={
                            **self.headers, **TUS, 'Upload-Offset': str(offset),
                            'Content-Type': 'application/offset+octet-stream',
                        },
                    )  # fmt: skip
                    if answer.status_code != 204:
                        break
                    acknowledged = offset = int(answer.headers['Upload-Offset'])
                    file_id = answer.headers.get('X-File-Id', '')
        self._compare(file_id, content)

    def raw(self, content: bytes) -> None:
        """Upload at once; what was answered with 201 must be there."""
        with suppress(*BROKEN):
            answer = requests.post(
                f'{self.url}/files?name=raw', data=slowly(content), headers=self.headers, timeout=20
            )
            if answer.status_code == 201:
                self._compare(answer.json()['data']['id'], content)

    def form(self, content: bytes) -> None:
        """Upload a form; what was answered with 201 must be there."""
        with suppress(*BROKEN):
            answer = requests.post(
                f'{self.url}/files', files={'file': ('form', content)}, headers=self.headers,
                timeout=20,
            )  # fmt: skip
            if answer.status_code == 201:
                self._compare(answer.json()['data']['id'], content)

    def _compare(self, file_id: str, content: bytes) -> None:
        self.acknowledged += 1
        found = self.ask('GET', f'/files/{file_id}/content')
        self.lost += found.status_code != 200
        self.wrong += hashlib.sha256(found.content).digest() != hashlib.sha256(content).digest()


def slowly(content: bytes) -> Iterator[bytes]:
    """Yield content in blocks, so that there is a moment to be killed in."""
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]
        time.sleep(0.005)


def ledger_is_right(service: Attacked) -> bool:
    """Tell whether what is booked is the sum of what is there, and all bytes of it are."""
    used = service.scalar('SELECT COALESCE(SUM(used), 0) FROM files_usage')
    reserved = service.scalar('SELECT COALESCE(SUM(reserved), 0) FROM files_usage')
    there = service.scalar('SELECT COALESCE(SUM(size), 0) FROM files_versions')
    coming = service.scalar('SELECT COALESCE(SUM(reserved), 0) FROM files_uploads')
    hashes = [row[0] for row in service.rows('SELECT DISTINCT sha256 FROM files_versions')]
    missing = [h for h in hashes if not blob_of(service.var, h).is_file()]
    return (int(used), int(reserved)) == (int(there), int(coming)) and not missing


def blob_of(var: Path, sha256: str) -> Path:
    """Return where bytes lie."""
    return var / 'storage' / 'blobs' / sha256[:2] / sha256[2:4] / sha256


@pytest.mark.parametrize('database', CASES)
def test_what_was_acknowledged_survives_every_kill(tmp_path: Path, database: str) -> None:
    with attacked(tmp_path, database) as service:
        make_users(service, 'ada')
        token = log_in(service, 'ada', PASSWORD).json()['data']['token']
        client, slowest = Client(service, token), 0.0
        ways: list[Callable[[bytes], None]] = [client.tus, client.raw, client.form]
        for number in range(ROUNDS * len(ways)):
            content = os.urandom(SIZE)
            worker = threading.Thread(target=ways[number % len(ways)], args=(content,))
            worker.start()
            time.sleep(random.uniform(0.01, 0.4))
            for pid in service.web_workers:
                kill(pid)
            killed = time.monotonic()
            wait_until(lambda: is_ready(service), 20)
            slowest = max(slowest, time.monotonic() - killed)
            worker.join(60)
            assert not worker.is_alive()
            assert ledger_is_right(service)
            if IS_LONG:
                # Ends with a line, and the test with it, where anything is wrong.
                service.flask('files', 'sweep')
                service.flask('files', 'fsck')
            # Or the disk would be full before all is done.
            for path in (tmp_path / 'storage' / 'incoming').glob('*'):
                path.unlink(missing_ok=True)

        figure(
            f'{database}: {ROUNDS * len(ways)} times all workers killed, {client.acknowledged} '
            f'uploads acknowledged: {client.lost} lost, {client.wrong} wrong; '
            f'ready again within {slowest:.2f} s'
        )
        service.flask('files', 'sweep')
        service.flask('files', 'fsck')
        assert (client.lost, client.wrong) == (0, 0)
        assert client.acknowledged >= ROUNDS


def is_ready(service: Attacked) -> bool:
    """Tell whether somebody answers."""
    try:
        return requests.get(f'{service.url}/healthz', timeout=1).ok
    except requests.RequestException:
        return False
