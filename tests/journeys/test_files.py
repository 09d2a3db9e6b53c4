"""Files from the first byte to the last, as clients and operators have them: on disk, and in S3.

Everything goes over HTTP and by commands. In the end all bytes move to another storage, with the
service up.
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

# Takes 40 CPU seconds with S3, beside other tests.
pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

LARGE = large_content(40 * MIB)  # three parts, in S3
NEWER = large_content(20 * MIB)
SLOW = large_content(12 * MIB)
PICTURE = encoded(halves(400, 200), 'JPEG').getvalue()
TUS = {'Tus-Resumable': '1.0.0'}
PIECE = {**TUS, 'Content-Type': 'application/offset+octet-stream'}


@pytest.fixture(scope='module', params=['disk', 's3'])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service, with its bytes in one of the places."""
    var = tmp_path_factory.mktemp('service')
    settings = {}
    with ExitStack() as stack:
        if request.param == 's3':
            server = stack.enter_context(running_seaweed(tmp_path_factory.mktemp('seaweed')))
            spool = tmp_path_factory.mktemp('spool')
            settings = {'STORAGE_URL': server.url, 'STORAGE_SPOOL': str(spool), **server.keys}
        yield stack.enter_context(running_service(var, **settings))


class Ada:
    """A client who is logged in."""

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
        """Send a request, and see the code that it is answered with."""
        url = path if path.startswith('http') else self.api + path
        response = self.session.request(method, url, timeout=60, **given)
        assert response.status_code == code, response.text
        return response

    def data(self, method: str, path: str, code: int = 200, **given: Any) -> Any:
        """Return what is answered."""
        return self.ask(method, path, code, **given).json()['data']

    def upload(self, content: bytes, name: str) -> str:
        """Upload bytes as they are."""
        return str(self.data('POST', f'/files?name={name}', 201, data=content)['id'])


@pytest.fixture(scope='module')
def ada(service: Service) -> Iterator[Ada]:
    """Ada."""
    ada = Ada(service)
    with ada.session:
        yield ada


def test_files_live_through_all_of_it(service: Service, ada: Ada, tmp_path: Path) -> None:
    large = ada.upload(LARGE, 'large.bin')
    assert ada.ask('GET', f'/files/{large}/content').content == LARGE
    form = ada.data('POST', '/files', 201, files={'file': ('Grüße.jpg', PICTURE)})
    assert form['name'] == 'Grüße.jpg'
    resumed = by_pieces(ada, LARGE[: 9 * MIB])
    ranges_are_cut(ada, large)
    version_comes_and_goes(ada, large)
    thumbnail_is_made(ada, form['id'])
    link_opens(ada, large)
    archive_holds(ada, {large: LARGE, form['id']: PICTURE, resumed: LARGE[: 9 * MIB]})
    trash_gives_back(ada, resumed)
    export_holds(ada)

    ada.ask('DELETE', f'/files/{resumed}?permanent=true')
    swept = json.loads(service.flask('files', 'sweep', '--json'))
    assert (swept['trash'], swept['bytes']) == (0, 1)
    assert json.loads(service.flask('files', 'fsck', '--json')) == []
    usage = ada.data('GET', '/files/usage')
    # Large, newer, and large again, which it went back to.
    assert usage['used'] == 2 * len(LARGE) + len(NEWER) + len(PICTURE)
    assert (usage['reserved'], usage['files']) == (0, 2)

    everything_moves(service, ada, large, tmp_path)


def by_pieces(ada: Ada, content: bytes) -> str:
    """Upload in pieces of four megabytes, and see that each is remembered."""
    place = begin(ada, content)
    for offset in range(0, len(content), 4 * MIB):
        file_id = go_on(ada, place, content[offset : offset + 4 * MIB], offset)
    return str(file_id)


def begin(ada: Ada, content: bytes) -> str:
    """Begin an upload in pieces, and return where it goes on: below the address of the API."""
    headers = {**TUS, 'Upload-Length': str(len(content))}
    place = ada.ask('POST', '/files/uploads', 201, headers=headers).headers['Location']
    return place.removeprefix('/api/v1')


def go_on(ada: Ada, place: str, piece: bytes, offset: int) -> str | None:
    """Send a piece of what is as far as that, and return the file that came of it, if any did."""
    assert ada.ask('HEAD', place, headers=TUS).headers['Upload-Offset'] == str(offset)
    headers = {**PIECE, 'Upload-Offset': str(offset)}
    return ada.ask('PATCH', place, 204, headers=headers, data=piece).headers.get('X-File-Id')


def ranges_are_cut(ada: Ada, file_id: str) -> None:
    """Ask for one, for several, for none that is there, and for what is known."""
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


def version_comes_and_goes(ada: Ada, file_id: str) -> None:
    """Replace the bytes, and go back."""
    ada.ask('PUT', f'/files/{file_id}/content', data=NEWER)
    assert ada.ask('GET', f'/files/{file_id}/content').content == NEWER
    assert ada.ask('GET', f'/files/{file_id}/versions/1/content').content == LARGE
    ada.ask('POST', f'/files/{file_id}/versions/1/restore')
    assert ada.ask('GET', f'/files/{file_id}/content').content == LARGE


def thumbnail_is_made(ada: Ada, file_id: str) -> None:
    """Ask until it is there."""
    url, deadline = f'{ada.api}/files/{file_id}/thumbnail?size=64', time.monotonic() + 30
    while (found := ada.session.get(url, timeout=10)).status_code == 202:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (found.status_code, found.content[8:12]) == (200, b'WEBP')


def link_opens(ada: Ada, file_id: str) -> None:
    """Give it to somebody without a login, once, with a password."""
    body = {'password': 'Open sesame', 'max_downloads': 1}
    link = ada.data('POST', f'/files/{file_id}/links', 201, json=body)
    url = f'{ada.api}/files/shared/{link["token"]}/content'
    assert requests.get(url, timeout=10).status_code == 403
    opened = {'X-Link-Password': 'Open sesame'}
    assert requests.get(url, headers=opened, timeout=60).content == LARGE
    assert requests.get(url, headers=opened, timeout=10).status_code == 404


def archive_holds(ada: Ada, expected: dict[str, bytes]) -> None:
    """Download many at once."""
    answer = ada.ask('POST', '/files/archives', json={'ids': list(expected)})
    assert len(answer.content) == int(answer.headers['Content-Length'])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in archive.namelist()] == list(expected.values())


def trash_gives_back(ada: Ada, file_id: str) -> None:
    """Throw it away, and take it back."""
    ada.ask('DELETE', f'/files/{file_id}')
    ada.ask('GET', f'/files/{file_id}/content', 404)
    ada.ask('POST', f'/files/{file_id}/restore')
    assert ada.ask('GET', f'/files/{file_id}/content').content == LARGE[: 9 * MIB]


def export_holds(ada: Ada) -> None:
    """Have all of it packed."""
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


def everything_moves(service: Service, ada: Ada, file_id: str, folder: Path) -> None:
    """Move to another storage while somebody reads and uploads, and serve from there alone."""
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
    written, waiting = begin(ada, SLOW), begin(ada, SLOW)
    for place in (written, waiting):
        go_on(ada, place, SLOW[: 4 * MIB], 0)
    with started(between, service.var) as successor:
        ada.api = f'{successor.url}/api/v1'
        assert ada.ask('GET', f'/files/{late}/content').content == b'came in between'
        go_on(ada, written, SLOW[4 * MIB : 8 * MIB], 4 * MIB)
        again = json.loads(
            successor.flask('files', 'move', '--to', f'file://{folder}/new', '--json')
        )
        assert (again['moved'], again['failed']) == (2, 0)  # What was late, and what waits.
    alone = {**between, 'STORAGE_OLD_URL': '', 'PORT': str(free_port())}
    with started(alone, service.var) as successor:
        ada.api = f'{successor.url}/api/v1'
        assert ada.ask('GET', f'/files/{file_id}/content').content == LARGE
        assert ada.ask('GET', f'/files/{late}/content').content == b'came in between'
        for place, offset in ((written, 8 * MIB), (waiting, 4 * MIB)):
            whole = go_on(ada, place, SLOW[offset:], offset)
            assert ada.ask('GET', f'/files/{whole}/content').content == SLOW
        assert json.loads(successor.flask('files', 'fsck', '--json')) == []
