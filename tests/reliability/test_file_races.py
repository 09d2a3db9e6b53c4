"""Concurrent requests that compete for one quota, one permitted download or one stored object."""

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

from .accounts import API, create_users, log_in, run_concurrently
from .harness import APP, IS_LONG, ServiceUnderTest, figure, service_under_test
from .test_uploads import TUS, is_usage_consistent

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

CASES = ['sqlite', 'postgresql'] if IS_LONG else ['postgresql']
QUOTA = 10_000_000
UPLOADS = 50
QUOTA_ROUNDS = 10 if IS_LONG else 1
LINKS = 125 if IS_LONG else 6
DELETE_ROUNDS = 500 if IS_LONG else 20


class FileUser:
    """A user with files. Each request uses a new connection."""

    def __init__(self, service: ServiceUnderTest, name: str) -> None:
        self.url = f'{service.url}{API}/files'
        self.headers = {'Authorization': f'Bearer {log_in(service, name).json()["data"]["token"]}'}

    def send(self, method: str, path: str = '', **given: object) -> requests.Response:
        """Send a request."""
        headers = {**self.headers, **given.pop('headers', {})}  # type: ignore[dict-item]
        return requests.request(method, self.url + path, headers=headers, timeout=60, **given)  # type: ignore[arg-type]

    def raw(self, content: bytes) -> requests.Response:
        """Upload bytes as the request body."""
        return self.send('POST', data=content)

    def form(self, content: bytes) -> requests.Response:
        """Upload bytes in a multipart form."""
        return self.send('POST', files={'file': ('a', content)})

    def chunked(self, content: bytes) -> requests.Response:
        """Upload bytes without declaring their length."""
        return self.send('POST', data=iter([content[:1000], content[1000:]]))

    def tus(self, content: bytes) -> requests.Response:
        """Create a resumable upload whose first request already contains all bytes."""
        headers = {
            **TUS, 'Upload-Length': str(len(content)),
            'Content-Type': 'application/offset+octet-stream',
        }  # fmt: skip
        return self.send('POST', '/uploads', data=content, headers=headers)

    def usage(self) -> dict[str, int]:
        """Return the bytes that the user's files use."""
        found: dict[str, int] = self.send('GET', '/usage').json()['data']
        return found

    def delete_all(self) -> None:
        """Delete all files permanently."""
        while items := self.send('GET', '?limit=200').json()['data']['items']:
            for item in items:
                self.send('DELETE', f'/{item["id"]}?permanent=true')


@pytest.fixture(scope='module', params=CASES)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceUnderTest]:
    """Run a service. Each test creates its own users."""
    with service_under_test(tmp_path_factory.mktemp('races'), request.param) as service:
        yield service


def test_concurrent_uploads_stay_within_the_quota(service: ServiceUnderTest) -> None:
    create_users(service, 'quota-ada')
    service.flask('files', 'quota', 'quota-ada', f'{QUOTA}B')
    ada, most = FileUser(service, 'quota-ada'), 0
    for _ in range(QUOTA_ROUNDS):
        upload_methods = [ada.raw, ada.form, ada.tus, ada.chunked]
        uploads = [partial(upload_methods[n % 4], os.urandom(999_000)) for n in range(UPLOADS)]

        answers = Counter(answer.status_code for answer in run_concurrently(*uploads))

        used = ada.usage()
        most = max(most, used['used'])
        assert set(answers) == {201, 413}
        assert (used['used'], used['reserved']) == (answers[201] * 999_000, 0)
        assert used['used'] <= QUOTA
        assert is_usage_consistent(service)
        # The next uploads can use the quota that these uploads have released.
        while ada.usage()['used'] + 999_000 <= QUOTA:
            assert ada.raw(os.urandom(999_000)).status_code == 201
        assert ada.raw(os.urandom(999_000)).status_code == 413
        ada.delete_all()
    service.flask('files', 'fsck')
    figure(
        f'quota: {QUOTA_ROUNDS} × {UPLOADS} uploads at once, at most {most:,} of {QUOTA:,} bytes '
        'stored'
    )


def test_a_link_for_one_download_allows_one(service: ServiceUnderTest) -> None:
    create_users(service, 'link-ada')
    ada, successes = FileUser(service, 'link-ada'), 0
    content = os.urandom(100_000)
    file_id = ada.raw(content).json()['data']['id']
    for _ in range(LINKS):
        made = ada.send('POST', f'/{file_id}/links', json={'max_downloads': 1}).json()['data']
        url = f'{ada.url}/shared/{made["token"]}/content'

        answers = run_concurrently(*[lambda to=url: requests.get(to, timeout=60)] * 8)

        assert Counter(answer.status_code for answer in answers) == {200: 1, 404: 7}
        assert [a.content == content for a in answers if a.status_code == 200] == [True]
        assert all(a.json()['data'].keys() == {'link'} for a in answers if a.status_code == 404)
        successes += 1
        ada.send('DELETE', f'/links/{made["id"]}')
    figure(f'max_downloads=1, 8 at once: {successes} downloads of {LINKS} links')


def test_content_uploaded_during_its_deletion_is_kept(service: ServiceUnderTest) -> None:
    create_users(service, 'upload-ada', 'upload-bob')
    ada, bob = FileUser(service, 'upload-ada'), FileUser(service, 'upload-bob')
    lost, acknowledged = 0, 0
    with cleaning_up(service) as deleted_objects:
        for number in range(DELETE_ROUNDS):
            # Each upload takes some time, and all ten rounds use the same content.
            content = bytes([number // 10 % 256]) * 300_000 + b'the same for both'
            mine = ada.raw(content).json()['data']['id']

            _, foreign, again = run_concurrently(
                partial(ada.send, 'DELETE', f'/{mine}?permanent=true'),
                partial(bob.raw if number % 2 else bob.tus, content),
                partial(ada.form, content),
            )

            for user, answer in ((bob, foreign), (ada, again)):
                assert answer.status_code == 201
                file_id = answer.headers.get('X-File-Id') or answer.json()['data']['id']
                found = user.send('GET', f'/{file_id}/content')
                acknowledged += 1
                lost += found.status_code != 200 or digest(found.content) != digest(content)
                user.send('DELETE', f'/{file_id}?permanent=true')
    removed = deleted_objects()
    service.flask('files', 'fsck')
    figure(
        f'delete against upload: {DELETE_ROUNDS} rounds, {acknowledged} uploads acknowledged, '
        f'{lost} lost, {removed} objects deleted'
    )
    assert lost == 0
    assert removed >= DELETE_ROUNDS // 20


def digest(content: bytes) -> bytes:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(content).digest()


@contextmanager
def cleaning_up(service: ServiceUnderTest) -> Iterator[Callable[[], int]]:
    """Run the garbage collection repeatedly in another process until the end of the block.

    Yields a function that returns, after the block, the number of deleted objects.
    """
    printed: list[int] = []
    command = [str(BIN / 'flask'), '--app', APP, 'workload', 'sweep']
    process = subprocess.Popen(command, env=service.env, stdout=subprocess.PIPE, text=True)
    try:
        yield lambda: printed[0]
    finally:
        process.send_signal(signal.SIGTERM)
        printed.append(int(process.communicate(timeout=30)[0]))
