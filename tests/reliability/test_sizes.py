"""Uploads and downloads of files that are larger than the permitted memory of a worker."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from .accounts import API, create_users, log_in
from .harness import IS_LONG, ServiceUnderTest, figure, service_under_test
from .test_uploads import TUS

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

SIZE = 5_000_000_000 if IS_LONG else 200_000_000
MAX_GROWTH_BYTES = 32 * 1024 * 1024  # of a web worker
BLOCK = random.Random(5).randbytes(1024 * 1024)


def blocks(seed: int) -> Iterator[bytes]:
    """Yield the content of a large file in blocks; each seed yields another content."""
    yield seed.to_bytes(8)
    remaining = SIZE - 8
    while remaining:
        yield BLOCK[:remaining]
        remaining -= min(remaining, len(BLOCK))


def digest(blocks_of_file: Iterator[bytes]) -> str:
    """Return the SHA-256 of the file for a seed."""
    found = hashlib.sha256()
    for block in blocks_of_file:
        found.update(block)
    return found.hexdigest()


class Peak:
    """The maximum memory of each web worker of a service."""

    def __init__(self, service: ServiceUnderTest) -> None:
        self._pids = service.web_workers
        self._before = [self._peak(pid) for pid in self._pids]

    def growth(self) -> int:
        """Return the largest increase of this maximum in any web worker, in bytes."""
        after = [self._peak(pid) for pid in self._pids]
        return max(now - before for now, before in zip(after, self._before, strict=True))

    def _peak(self, pid: int) -> int:
        lines = Path(f'/proc/{pid}/status').read_text().splitlines()
        [line] = [line for line in lines if line.startswith('VmHWM:')]
        return int(line.split()[1]) * 1024


class SizedBody:
    """A request body that is generated while it is sent, with a known length."""

    def __init__(self, seed: int) -> None:
        self._blocks = blocks(seed)

    def __len__(self) -> int:
        return SIZE

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks


class LargeFileClient:
    """A client that uploads and downloads large files."""

    def __init__(self, service: ServiceUnderTest) -> None:
        self.url = f'{service.url}{API}/files'
        create_users(service, 'ada')
        token = log_in(service, 'ada').json()['data']['token']
        self.headers = {'Authorization': f'Bearer {token}'}

    def raw(self, seed: int) -> str:
        """Upload a file as the request body."""
        answer = requests.post(self.url, data=SizedBody(seed), headers=self.headers, timeout=600)
        assert answer.status_code == 201, answer.text
        return str(answer.json()['data']['id'])

    def tus(self, seed: int) -> str:
        """Upload by tus, in one chunk."""
        creation_headers = {**self.headers, **TUS, 'Upload-Length': str(SIZE)}
        made = requests.post(f'{self.url}/uploads', headers=creation_headers, timeout=60)
        url = self.url.removesuffix(f'{API}/files') + made.headers['Location']
        chunk_headers = {'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream'}
        headers = {**self.headers, **TUS, **chunk_headers}
        answer = requests.patch(url, data=SizedBody(seed), headers=headers, timeout=600)
        assert answer.status_code == 204, answer.text
        return str(answer.headers['X-File-Id'])

    def download(self, file_id: str) -> str:
        """Download a file; return its SHA-256."""
        url = f'{self.url}/{file_id}/content'
        with requests.get(url, headers=self.headers, stream=True, timeout=600) as answer:
            assert answer.status_code == 200
            return digest(answer.iter_content(1024 * 1024))

    def archive(self, file_id: str) -> int:
        """Download a ZIP archive with one file; return the size of the archive."""
        ids = {'ids': [file_id]}
        with requests.post(
            f'{self.url}/archives', json=ids, headers=self.headers, stream=True, timeout=600
        ) as answer:
            return sum(map(len, answer.iter_content(1024 * 1024)))

    def delete(self, file_id: str) -> None:
        """Delete a file permanently."""
        url = f'{self.url}/{file_id}?permanent=true'
        assert requests.delete(url, headers=self.headers, timeout=60).status_code == 200


def test_memory_does_not_grow_with_file_sizes(tmp_path: Path) -> None:
    with service_under_test(tmp_path, 'sqlite') as service:
        ada = LargeFileClient(service)
        upload_methods: list[Callable[[int], str]] = [ada.raw, ada.tus]
        # Import lazily imported modules before the measurement.
        for _ in range(4):
            requests.post(ada.url, data=b'small', headers=ada.headers, timeout=60)
        peak = Peak(service)
        for seed, upload_method in enumerate(upload_methods):
            file_id = upload_method(seed)
            assert ada.download(file_id) == digest(blocks(seed))
            assert ada.archive(file_id) > SIZE
            ada.delete(file_id)
            service.flask('files', 'sweep')
        growth = peak.growth()
        figure(f'{SIZE:,} bytes up and down, raw, by tus, as ZIP: + {growth / 2**20:.1f} MiB')
        assert growth <= MAX_GROWTH_BYTES
