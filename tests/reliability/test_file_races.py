"""Files that many want at the same moment: room, a download, bytes that are about to go."""

import hashlib
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import requests

from tests.service import BIN

from .accounts import API, log_in, make_users, run_concurrently
from .harness import APP, IS_LONG, Attacked, attacked, figure
from .test_uploads import TUS, ledger_is_right

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

CASES = ['sqlite', 'postgresql'] if IS_LONG else ['postgresql']
QUOTA = 10_000_000
UPLOADS = 50
RACES = 10 if IS_LONG else 1  # for the quota
LINKS = 125 if IS_LONG else 6
ROUNDS = 500 if IS_LONG else 20  # of delete against upload


class Someone:
    """A user with files, on a connection of their own for every request."""

    def __init__(self, service: Attacked, name: str) -> None:
        self.url = f'{service.url}{API}/files'
        self.headers = {'Authorization': f'Bearer {log_in(service, name).json()["data"]["token"]}'}

    def ask(self, method: str, path: str = '', **given: object) -> requests.Response:
        """Send a request."""
        headers = {**self.headers, **given.pop('headers', {})}  # type: ignore[dict-item]
        return requests.request(method, self.url + path, headers=headers, timeout=60, **given)  # type: ignore[arg-type]

    def raw(self, content: bytes) -> requests.Response:
        """Upload bytes as they are."""
        return self.ask('POST', data=content)

    def form(self, content: bytes) -> requests.Response:
        """Upload a form."""
        return self.ask('POST', files={'file': ('a', content)})

    def chunked(self, content: bytes) -> requests.Response:
        """Upload bytes of which nobody says how many will come."""
        return self.ask('POST', data=iter([content[:1000], content[1000:]]))

    def tus(self, content: bytes) -> requests.Response:
        """Upload with the first piece."""
        headers = {
            **TUS, 'Upload-Length': str(len(content)),
            'Content-Type': 'application/offset+octet-stream',
        }  # fmt: skip
        return self.ask('POST', '/uploads', data=content, headers=headers)

    def usage(self) -> dict[str, int]:
        """Return what the ledger says."""
        found: dict[str, int] = self.ask('GET', '/usage').json()['data']
        return found

    def delete_all(self) -> None:
        """Delete all files for good."""
        while items := self.ask('GET', '?limit=200').json()['data']['items']:
            for item in items:
                self.ask('DELETE', f'/{item["id"]}?permanent=true')


@pytest.fixture(scope='module', params=CASES)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attacked]:
    """A running service. Each test creates its own users."""
    with attacked(tmp_path_factory.mktemp('races'), request.param) as service:
        yield service


def test_no_more_is_stored_than_the_quota(service: Attacked) -> None:
    make_users(service, 'quota-ada')
    service.flask('files', 'quota', 'quota-ada', f'{QUOTA}B')
    ada, most = Someone(service, 'quota-ada'), 0
    for _ in range(RACES):
        ways = [ada.raw, ada.form, ada.tus, ada.chunked]
        uploads = [partial(ways[n % 4], os.urandom(999_000)) for n in range(UPLOADS)]

        answers = Counter(answer.status_code for answer in run_concurrently(*uploads))

        used = ada.usage()
        most = max(most, used['used'])
        assert set(answers) == {201, 413}
        assert (used['used'], used['reserved']) == (answers[201] * 999_000, 0)
        assert used['used'] <= QUOTA
        assert ledger_is_right(service)
        # Room that was given back is there for the next one.
        while ada.usage()['used'] + 999_000 <= QUOTA:
            assert ada.raw(os.urandom(999_000)).status_code == 201
        assert ada.raw(os.urandom(999_000)).status_code == 413
        ada.delete_all()
    service.flask('files', 'fsck')
    figure(
        f'quota: {RACES} × {UPLOADS} uploads at once, at most {most:,} of {QUOTA:,} bytes stored'
    )


def test_a_link_for_one_download_is_good_for_one(service: Attacked) -> None:
    make_users(service, 'link-ada')
    ada, won = Someone(service, 'link-ada'), 0
    content = os.urandom(100_000)
    file_id = ada.raw(content).json()['data']['id']
    for _ in range(LINKS):
        made = ada.ask('POST', f'/{file_id}/links', json={'max_downloads': 1}).json()['data']
        address = f'{ada.url}/shared/{made["token"]}/content'

        answers = run_concurrently(*[lambda to=address: requests.get(to, timeout=60)] * 8)

        assert Counter(answer.status_code for answer in answers) == {200: 1, 404: 7}
        assert [a.content == content for a in answers if a.status_code == 200] == [True]
        assert all(a.json()['data'].keys() == {'link'} for a in answers if a.status_code == 404)
        won += 1
        ada.ask('DELETE', f'/links/{made["id"]}')
    figure(f'max_downloads=1, 8 at once: {won} downloads of {LINKS} links')


def test_what_is_uploaded_while_it_is_deleted_is_there(service: Attacked) -> None:
    make_users(service, 'upload-ada', 'upload-bob')
    ada, bob = Someone(service, 'upload-ada'), Someone(service, 'upload-bob')
    lost, acknowledged = 0, 0
    with cleaning_up(service) as swept:
        for number in range(ROUNDS):
            # Large enough to be on its way for a while, and often the same again.
            content = bytes([number // 10 % 256]) * 300_000 + b'the same for both'
            mine = ada.raw(content).json()['data']['id']

            _, theirs, again = run_concurrently(
                partial(ada.ask, 'DELETE', f'/{mine}?permanent=true'),
                partial(bob.raw if number % 2 else bob.tus, content),
                partial(ada.form, content),
            )

            for who, answer in ((bob, theirs), (ada, again)):
                assert answer.status_code == 201
                file_id = answer.headers.get('X-File-Id') or answer.json()['data']['id']
                found = who.ask('GET', f'/{file_id}/content')
                acknowledged += 1
                lost += found.status_code != 200 or digest(found.content) != digest(content)
                who.ask('DELETE', f'/{file_id}?permanent=true')
    removed = swept()
    service.flask('files', 'fsck')
    figure(
        f'delete against upload: {ROUNDS} rounds, {acknowledged} uploads acknowledged, {lost} '
        f'lost, bytes swept {removed} times meanwhile'
    )
    assert lost == 0
    assert removed >= ROUNDS // 20


def digest(content: bytes) -> bytes:
    """Return the hash of bytes."""
    return hashlib.sha256(content).digest()


@contextmanager
def cleaning_up(service: Attacked) -> Iterator[Callable[[], int]]:
    """Sweep without end, in a process of its own; give what says how often bytes were removed."""
    printed: list[int] = []
    command = [str(BIN / 'flask'), '--app', APP, 'workload', 'sweep']
    process = subprocess.Popen(command, env=service.env, stdout=subprocess.PIPE, text=True)
    try:
        yield lambda: printed[0]
    finally:
        process.send_signal(signal.SIGTERM)
        printed.append(int(process.communicate(timeout=30)[0]))
