"""Web workers killed during uploads: acknowledged data is kept, and the usage stays right."""

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

from .accounts import API, PASSWORD, create_users, log_in
from .harness import IS_LONG, ServiceUnderTest, figure, kill, service_under_test, wait_until

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

ROUNDS = 70 if IS_LONG else 2  # per upload method
SIZE = 24 * 1024 * 1024
CHUNK_BYTES = 2 * 1024 * 1024
CASES = ['sqlite', 'postgresql'] if IS_LONG else ['sqlite']
TUS = {'Tus-Resumable': '1.0.0'}

# The errors that a client gets when its web worker is killed.
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


class Client:
    """A client that uploads and counts acknowledged uploads that are lost or wrong."""

    def __init__(self, service: ServiceUnderTest, token: str) -> None:
        self.url = service.url + API
        self.headers = {'Authorization': f'Bearer {token}'}
        self.lost = self.wrong = self.acknowledged = 0

    def send(self, method: str, path: str, **given: Any) -> requests.Response:
        """Send a request on a new connection; repeat it as long as the connection breaks."""
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
        """Upload a file in chunks, and resume the upload after each break.

        Counts the acknowledged bytes that are lost.
        """
        created = self.send('POST', '/files/uploads', headers={
            **TUS, 'Upload-Length': str(len(content)),
        })  # fmt: skip
        location = self.url.removesuffix(API) + created.headers['Location']
        acknowledged, file_id = 0, ''
        while not file_id:
            shown = self.send('HEAD', location, headers=TUS)
            offset = int(shown.headers['Upload-Offset'])
            self.lost += max(0, acknowledged - offset)
            file_id = shown.headers.get('X-File-Id', '')
            with suppress(*BROKEN):
                while not file_id:
                    answer = requests.patch(
                        location, data=content[offset : offset + CHUNK_BYTES], timeout=20,
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
        """Upload a file as the request body; compare the stored file after a 201."""
        with suppress(*BROKEN):
            answer = requests.post(
                f'{self.url}/files?name=raw', data=slowly(content), headers=self.headers, timeout=20
            )
            if answer.status_code == 201:
                self._compare(answer.json()['data']['id'], content)

    def form(self, content: bytes) -> None:
        """Upload a file in a multipart form; compare the stored file after a 201."""
        with suppress(*BROKEN):
            answer = requests.post(
                f'{self.url}/files', files={'file': ('form', content)}, headers=self.headers,
                timeout=20,
            )  # fmt: skip
            if answer.status_code == 201:
                self._compare(answer.json()['data']['id'], content)

    def _compare(self, file_id: str, content: bytes) -> None:
        self.acknowledged += 1
        found = self.send('GET', f'/files/{file_id}/content')
        self.lost += found.status_code != 200
        self.wrong += hashlib.sha256(found.content).digest() != hashlib.sha256(content).digest()


def slowly(content: bytes) -> Iterator[bytes]:
    """Yield content in blocks, slowly, so that a kill occurs during the upload."""
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]
        time.sleep(0.005)


def is_usage_consistent(service: ServiceUnderTest) -> bool:
    """Return whether all usages match the versions and uploads, and all blobs exist."""
    used = service.scalar('SELECT COALESCE(SUM(used), 0) FROM files_usage')
    reserved = service.scalar('SELECT COALESCE(SUM(reserved), 0) FROM files_usage')
    stored = service.scalar('SELECT COALESCE(SUM(size), 0) FROM files_versions')
    uploading = service.scalar('SELECT COALESCE(SUM(reserved), 0) FROM files_uploads')
    hashes = [row[0] for row in service.rows('SELECT DISTINCT sha256 FROM files_versions')]
    missing = [h for h in hashes if not blob_of(service.var, h).is_file()]
    return (int(used), int(reserved)) == (int(stored), int(uploading)) and not missing


def blob_of(var: Path, sha256: str) -> Path:
    """Return the path of the blob with this SHA-256."""
    return var / 'storage' / 'blobs' / sha256[:2] / sha256[2:4] / sha256


@pytest.mark.parametrize('database', CASES)
def test_acknowledged_uploads_survive_kills(tmp_path: Path, database: str) -> None:
    with service_under_test(tmp_path, database) as service:
        create_users(service, 'ada')
        token = log_in(service, 'ada', PASSWORD).json()['data']['token']
        client, slowest = Client(service, token), 0.0
        upload_methods: list[Callable[[bytes], None]] = [client.tus, client.raw, client.form]
        for number in range(ROUNDS * len(upload_methods)):
            content = os.urandom(SIZE)
            worker = threading.Thread(
                target=upload_methods[number % len(upload_methods)], args=(content,)
            )
            worker.start()
            time.sleep(random.uniform(0.01, 0.4))
            for pid in service.web_workers:
                kill(pid)
            killed = time.monotonic()
            wait_until(lambda: is_ready(service), 20)
            slowest = max(slowest, time.monotonic() - killed)
            worker.join(60)
            assert not worker.is_alive()
            assert is_usage_consistent(service)
            if IS_LONG:
                # The command `fsck` fails if it finds a fault, and the test fails with it.
                service.flask('files', 'sweep')
                service.flask('files', 'fsck')
            # Delete the staging files of killed workers. They would fill the disk before the end of
            # the test.
            for path in (tmp_path / 'storage' / 'incoming').glob('*'):
                path.unlink(missing_ok=True)

        figure(
            f'{database}: {ROUNDS * len(upload_methods)} times all workers killed, '
            f'{client.acknowledged} uploads acknowledged: {client.lost} lost, '
            f'{client.wrong} wrong; '
            f'ready again within {slowest:.2f} s'
        )
        service.flask('files', 'sweep')
        service.flask('files', 'fsck')
        assert (client.lost, client.wrong) == (0, 0)
        assert client.acknowledged >= ROUNDS


def is_ready(service: ServiceUnderTest) -> bool:
    """Return whether the service accepts requests."""
    try:
        return requests.get(f'{service.url}/healthz', timeout=1).ok
    except requests.RequestException:
        return False
