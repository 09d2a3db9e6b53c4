"""Files from upload to deletion, over HTTP and by commands, in local storage and in S3.

At the end, a command moves all objects to another storage while the service runs.
"""

import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.core.images.sample_images import encoded, halves
from tests.large_content import MIB, large_content
from tests.seaweed import running_seaweed
from tests.service import Service, free_port, running_service, started

# URLs, commands and tables of these features.
requires = ('auth', 'files')

# With S3, the test takes 40 CPU seconds while other tests run.
pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

LARGE = large_content(40 * MIB)  # three parts in S3
NEWER = large_content(20 * MIB)
SLOW = large_content(12 * MIB)
PICTURE = encoded(halves(400, 200), 'JPEG').getvalue()
TUS = {'Tus-Resumable': '1.0.0'}
CHUNK = {**TUS, 'Content-Type': 'application/offset+octet-stream'}


@pytest.fixture(scope='module', params=['disk', 's3'])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Run a service, once with local storage and once with S3."""
    var = tmp_path_factory.mktemp('service')
    settings = {}
    with ExitStack() as stack:
        if request.param == 's3':
            server = stack.enter_context(running_seaweed(tmp_path_factory.mktemp('seaweed')))
            spool = tmp_path_factory.mktemp('spool')
            settings = {'STORAGE_URL': server.url, 'STORAGE_SPOOL': str(spool), **server.keys}
        yield stack.enter_context(running_service(var, **settings))


class Ada:
    """An HTTP client that is logged in as the user Ada."""

    def __init__(self, service: Service) -> None:
        self.api = f'{service.url}/api/v1'
        self.session = requests.Session()
        printed = service.flask('create-user', 'ada', '--email', 'a@example.com', '--generate')
        password = printed.split('Password: ')[1].strip()
        login = self.session.post(
            f'{self.api}/auth/sessions', json={'user_or_email': 'ada', 'password': password}
        )
        self.session.headers['Authorization'] = f'Bearer {login.json()["data"]["token"]}'

    def ask(self, method: str, path: str, code: int = 200, **given: Any) -> requests.Response:
        """Send a request and check the status of the response; return the response."""
        url = path if path.startswith('http') else self.api + path
        response = self.session.request(method, url, timeout=60, **given)
        assert response.status_code == code, response.text
        return response

    def data(self, method: str, path: str, code: int = 200, **given: Any) -> Any:
        """Send a request; return the data of the response."""
        return self.ask(method, path, code, **given).json()['data']

    def upload(self, content: bytes, name: str) -> str:
        """Upload bytes as the request body; return the id of the file."""
        return str(self.data('POST', f'/files?name={name}', 201, data=content)['id'])


@pytest.fixture(scope='module')
def ada(service: Service) -> Iterator[Ada]:
    """Yield an HTTP client that is logged in as the user Ada."""
    ada = Ada(service)
    with ada.session:
        yield ada


def test_clients_and_operators_use_files_in_all_ways(
    service: Service, ada: Ada, tmp_path: Path
) -> None:
    large = ada.upload(LARGE, 'large.bin')
    assert ada.ask('GET', f'/files/{large}/content').content == LARGE
    form = ada.data('POST', '/files', 201, files={'file': ('Grüße.jpg', PICTURE)})
    assert form['name'] == 'Grüße.jpg'
    resumed = upload_in_chunks(ada, LARGE[: 9 * MIB])
    check_ranges(ada, large)
    check_versions(ada, large)
    check_thumbnail(ada, form['id'])
    check_share_link(ada, large)
    check_archive(ada, {large: LARGE, form['id']: PICTURE, resumed: LARGE[: 9 * MIB]})
    check_trash(ada, resumed)
    check_export(ada)

    ada.ask('DELETE', f'/files/{resumed}?permanent=true')
    collected = json.loads(service.flask('files', 'sweep', '--json'))
    assert (collected['trash'], collected['bytes']) == (0, 1)
    assert json.loads(service.flask('files', 'fsck', '--json')) == []
    usage = ada.data('GET', '/files/usage')
    # The large file has three versions: LARGE, NEWER, and LARGE again after the restore.
    assert usage['used'] == 2 * len(LARGE) + len(NEWER) + len(PICTURE)
    assert (usage['reserved'], usage['files']) == (0, 2)

    check_move(service, ada, large, tmp_path)


def upload_in_chunks(ada: Ada, content: bytes) -> str:
    """Upload in chunks of 4 MiB, each of which must be acknowledged; return the file id."""
    path = begin_upload(ada, content)
    for offset in range(0, len(content), 4 * MIB):
        file_id = send_chunk(ada, path, content[offset : offset + 4 * MIB], offset)
    return str(file_id)


def begin_upload(ada: Ada, content: bytes) -> str:
    """Create a resumable upload; return its path, relative to the URL of the API."""
    headers = {**TUS, 'Upload-Length': str(len(content))}
    path = ada.ask('POST', '/files/uploads', 201, headers=headers).headers['Location']
    return path.removeprefix('/api/v1')


def send_chunk(ada: Ada, path: str, chunk: bytes, offset: int) -> str | None:
    """Check the offset of an upload and send a chunk.

    Returns the id of the file after the last chunk.
    """
    assert ada.ask('HEAD', path, headers=TUS).headers['Upload-Offset'] == str(offset)
    headers = {**CHUNK, 'Upload-Offset': str(offset)}
    return ada.ask('PATCH', path, 204, headers=headers, data=chunk).headers.get('X-File-Id')


def check_ranges(ada: Ada, file_id: str) -> None:
    """Download parts of a file.

    Requests one range, several ranges, a range beyond the end, and the file with an ETag that the
    client already has.
    """
    url = f'/files/{file_id}/content'
    head = ada.ask('HEAD', url)
    assert head.headers['Content-Length'] == str(len(LARGE))
    etag = head.headers['ETag']
    assert etag == f'"{hashlib.sha256(LARGE).hexdigest()}"'
    start = 17 * MIB - 3
    one = ada.ask('GET', url, 206, headers={'Range': f'bytes={start}-{start + MIB}'})
    assert one.content == LARGE[start : start + MIB + 1]
    several = ada.ask('GET', url, 206, headers={'Range': 'bytes=0-9,33554432-33554440,-5'})
    head_line = f'Content-Type: {several.headers["Content-Type"]}\r\n\r\n'.encode()
    parts = message_from_bytes(head_line + several.content).get_payload()
    assert [part.get_payload(decode=True) for part in parts] == [
        LARGE[:10], LARGE[33554432:33554441], LARGE[-5:],
    ]  # fmt: skip
    ada.ask('GET', url, 304, headers={'If-None-Match': etag})
    ada.ask('GET', url, 416, headers={'Range': f'bytes={len(LARGE)}-'})


def check_versions(ada: Ada, file_id: str) -> None:
    """Replace the content of a file, and restore its first version."""
    ada.ask('PUT', f'/files/{file_id}/content', data=NEWER)
    assert ada.ask('GET', f'/files/{file_id}/content').content == NEWER
    assert ada.ask('GET', f'/files/{file_id}/versions/1/content').content == LARGE
    ada.ask('POST', f'/files/{file_id}/versions/1/restore')
    assert ada.ask('GET', f'/files/{file_id}/content').content == LARGE


def check_thumbnail(ada: Ada, file_id: str) -> None:
    """Request the thumbnail of an image until the task has made it."""
    url, deadline = f'{ada.api}/files/{file_id}/thumbnail?size=64', time.monotonic() + 30
    while (found := ada.session.get(url, timeout=10)).status_code == 202:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (found.status_code, found.content[8:12]) == (200, b'WEBP')


def check_share_link(ada: Ada, file_id: str) -> None:
    """Download a file once without a login, by a share link with a password."""
    body = {'password': 'Open sesame', 'max_downloads': 1}
    link = ada.data('POST', f'/files/{file_id}/links', 201, json=body)
    url = f'{ada.api}/files/shared/{link["token"]}/content'
    assert requests.get(url, timeout=10).status_code == 403
    opened = {'X-Link-Password': 'Open sesame'}
    assert requests.get(url, headers=opened, timeout=60).content == LARGE
    assert requests.get(url, headers=opened, timeout=10).status_code == 404


def check_archive(ada: Ada, expected: dict[str, bytes]) -> None:
    """Download several files in one ZIP archive."""
    answer = ada.ask('POST', '/files/archives', json={'ids': list(expected)})
    assert len(answer.content) == int(answer.headers['Content-Length'])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in archive.namelist()] == list(expected.values())


def check_trash(ada: Ada, file_id: str) -> None:
    """Move a file to the trash, and restore it."""
    ada.ask('DELETE', f'/files/{file_id}')
    ada.ask('GET', f'/files/{file_id}/content', 404)
    ada.ask('POST', f'/files/{file_id}/restore')
    assert ada.ask('GET', f'/files/{file_id}/content').content == LARGE[: 9 * MIB]


def check_export(ada: Ada) -> None:
    """Export the user's data, which includes all versions of all files."""
    export = ada.data('POST', '/users/me/exports', 202)
    url, deadline = f'/users/me/exports/{export["id"]}', time.monotonic() + 60
    while ada.data('GET', url)['state'] != 'ready':
        assert time.monotonic() < deadline
        time.sleep(0.2)
    packed = ada.ask('GET', f'{url}/content').content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        contents = [archive.read(n) for n in archive.namelist() if n.startswith('files/content/')]
    assert sorted(map(len, contents)) == sorted(
        map(len, [LARGE, NEWER, LARGE, PICTURE, LARGE[: 9 * MIB]])
    )


def check_move(service: Service, ada: Ada, file_id: str, folder: Path) -> None:
    """Move all objects to another storage while clients read and upload.

    Afterwards, a service with only the new storage must find them.
    """
    over, read = threading.Event(), []

    def reading() -> None:
        while not over.is_set():
            read.append(ada.ask('GET', f'/files/{file_id}/content').content == LARGE)

    reader = threading.Thread(target=reading)
    reader.start()
    try:
        moved = json.loads(service.flask('files', 'move', '--to', f'file://{folder}/new', '--json'))
    finally:
        over.set()
        reader.join()
    assert moved['failed'] == 0
    assert moved['moved'] >= 4
    assert read
    assert all(read)

    old = service.env['STORAGE_URL']
    between = {
        **service.env, 'STORAGE_URL': f'file://{folder}/new', 'STORAGE_OLD_URL': old,
        'PORT': str(free_port()),
    }  # fmt: skip
    late = ada.upload(b'came in between', 'late.txt')
    written, waiting = begin_upload(ada, SLOW), begin_upload(ada, SLOW)
    for path in (written, waiting):
        send_chunk(ada, path, SLOW[: 4 * MIB], 0)
    with started(between, service.var) as successor:
        ada.api = f'{successor.url}/api/v1'
        assert ada.ask('GET', f'/files/{late}/content').content == b'came in between'
        send_chunk(ada, written, SLOW[4 * MIB : 8 * MIB], 4 * MIB)
        again = json.loads(
            successor.flask('files', 'move', '--to', f'file://{folder}/new', '--json')
        )
        assert (again['moved'], again['failed']) == (2, 0)  # file and partial upload
    alone = {**between, 'STORAGE_OLD_URL': '', 'PORT': str(free_port())}
    with started(alone, service.var) as successor:
        ada.api = f'{successor.url}/api/v1'
        assert ada.ask('GET', f'/files/{file_id}/content').content == LARGE
        assert ada.ask('GET', f'/files/{late}/content').content == b'came in between'
        for path, offset in ((written, 8 * MIB), (waiting, 4 * MIB)):
            whole = send_chunk(ada, path, SLOW[offset:], offset)
            assert ada.ask('GET', f'/files/{whole}/content').content == SLOW
        assert json.loads(successor.flask('files', 'fsck', '--json')) == []
