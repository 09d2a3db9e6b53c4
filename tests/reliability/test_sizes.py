"""Files larger than the memory that a worker may take: up, resumed, and down again."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from .accounts import API, log_in, make_users
from .harness import IS_LONG, Attacked, attacked, figure
from .test_uploads import TUS

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

SIZE = 5_000_000_000 if IS_LONG else 200_000_000
MOST = 32 * 1024 * 1024  # bytes by which a worker may grow
BLOCK = random.Random(5).randbytes(1024 * 1024)


def blocks(seed: int) -> Iterator[bytes]:
    """Yield a file, of which no two are alike."""
    yield seed.to_bytes(8)
    left = SIZE - 8
    while left:
        yield BLOCK[:left]
        left -= min(left, len(BLOCK))


def digest(pieces: Iterator[bytes]) -> str:
    """Return what a file hashes to."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


class Peak:
    """The most memory that each process of the service has had."""

    def __init__(self, service: Attacked) -> None:
        self._pids = service.web_workers
        self._before = [self._peak(pid) for pid in self._pids]

    def growth(self) -> int:
        """Return by how many bytes the one that grew most has grown."""
        after = [self._peak(pid) for pid in self._pids]
        return max(now - before for now, before in zip(after, self._before, strict=True))

    def _peak(self, pid: int) -> int:
        lines = Path(f'/proc/{pid}/status').read_text().splitlines()
        [line] = [line for line in lines if line.startswith('VmHWM:')]
        return int(line.split()[1]) * 1024


class Sized:
    """What a body is of which the length is known."""

    def __init__(self, seed: int) -> None:
        self._blocks = blocks(seed)

    def __len__(self) -> int:
        return SIZE

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks


class Giver:
    """Somebody with large files."""

    def __init__(self, service: Attacked) -> None:
        self.url = f'{service.url}{API}/files'
        make_users(service, 'ada')
        token = log_in(service, 'ada').json()['data']['token']
        self.headers = {'Authorization': f'Bearer {token}'}

    def raw(self, seed: int) -> str:
        """Upload at once."""
        answer = requests.post(self.url, data=Sized(seed), headers=self.headers, timeout=600)
        assert answer.status_code == 201, answer.text
        return str(answer.json()['data']['id'])

    def tus(self, seed: int) -> str:
        """Upload in one piece that could be resumed."""
        told = {**self.headers, **TUS, 'Upload-Length': str(SIZE)}
        made = requests.post(f'{self.url}/uploads', headers=told, timeout=60)
        place = self.url.removesuffix(f'{API}/files') + made.headers['Location']
        piece = {'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream'}
        headers = {**self.headers, **TUS, **piece}
        answer = requests.patch(place, data=Sized(seed), headers=headers, timeout=600)
        assert answer.status_code == 204, answer.text
        return str(answer.headers['X-File-Id'])

    def download(self, file_id: str) -> str:
        """Download it, and return what came hashes to."""
        url = f'{self.url}/{file_id}/content'
        with requests.get(url, headers=self.headers, stream=True, timeout=600) as answer:
            assert answer.status_code == 200
            return digest(answer.iter_content(1024 * 1024))

    def archive(self, file_id: str) -> int:
        """Download it in a ZIP, and return how many bytes came."""
        ids = {'ids': [file_id]}
        with requests.post(
            f'{self.url}/archives', json=ids, headers=self.headers, stream=True, timeout=600
        ) as answer:
            return sum(map(len, answer.iter_content(1024 * 1024)))

    def delete(self, file_id: str) -> None:
        """Delete it for good."""
        url = f'{self.url}/{file_id}?permanent=true'
        assert requests.delete(url, headers=self.headers, timeout=60).status_code == 200


def test_memory_does_not_grow_with_them(tmp_path: Path) -> None:
    with attacked(tmp_path, 'sqlite') as service:
        ada = Giver(service)
        ways: list[Callable[[int], str]] = [ada.raw, ada.tus]
        # What is loaded once is loaded before it counts.
        for _ in range(4):
            requests.post(ada.url, data=b'small', headers=ada.headers, timeout=60)
        peak = Peak(service)
        for seed, way in enumerate(ways):
            file_id = way(seed)
            assert ada.download(file_id) == digest(blocks(seed))
            assert ada.archive(file_id) > SIZE
            ada.delete(file_id)
            service.flask('files', 'sweep')
        growth = peak.growth()
        figure(f'{SIZE:,} bytes up and down, raw, by tus, as ZIP: + {growth / 2**20:.1f} MiB')
        assert growth <= MOST
