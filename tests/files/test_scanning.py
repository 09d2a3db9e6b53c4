"""Nothing is given to anybody that a scanner has not found clean."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, update

from project.core.clock import now
from project.core.data.database import atomic, db
from project.core.data.tasks.attempts import work_off
from project.core.data.tasks.outbox import Entry
from project.files.errors import ScanInfected, ScanPending, ScanRefused
from project.files.models import Thumbnail, Version
from project.files.service.holdings import export_files
from project.files.service.scanning import check_clean, scan_overdue
from tests.clamd import EICAR, LARGEST, standing_in
from tests.client import data, reasons
from tests.config.serving import free_port
from tests.users.factories import UserFactory

from .storing import store

URL = '/api/v1/files'
PIECE = 'application/offset+octet-stream'


@pytest.fixture(scope='module')
def address() -> Iterator[str]:
    """The address of a scanner."""
    with standing_in() as address:
        yield address


@pytest.fixture(autouse=True)
def scanner(app: Any, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the application scan."""
    monkeypatch.setitem(app.config, 'FILES_SCANNER', address)


@pytest.fixture
def down(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scanner that is not there."""
    monkeypatch.setitem(app.config, 'FILES_SCANNER', f'clamd://127.0.0.1:{free_port()}')


@pytest.fixture
def client(as_user: Any, ada: Any) -> Any:
    """A client that is Ada."""
    return as_user(ada)


def by_form(client: Any, content: bytes) -> str:
    """Upload a form."""
    answer = client.post(URL, data={'file': (io.BytesIO(content), 'a.bin')})
    return str(data(answer)['id'])


def raw(client: Any, content: bytes) -> str:
    """Upload bytes as they are."""
    return str(data(client.post(URL, data=content, content_type='text/csv'))['id'])


def by_tus(client: Any, content: bytes, **headers: str) -> str:
    """Upload by tus, with the first piece."""
    headers |= {'Tus-Resumable': '1.0.0', 'Upload-Length': str(len(content))}
    answer = client.post(f'{URL}/uploads', data=content, headers=headers, content_type=PIECE)
    return str(answer.headers['X-File-Id'])


def as_version(client: Any, content: bytes) -> str:
    """Upload new bytes for a file."""
    file_id = raw(client, b'Clean.')
    assert client.put(f'{URL}/{file_id}/content', data=content).status_code == 200
    return file_id


DOORS = [by_form, raw, by_tus, as_version]


def ways_out(client: Any, file_id: str, *, number: int = 1) -> Iterator[Any]:
    """Yield the answer of each way to the bytes of a file."""
    link = data(client.post(f'{URL}/{file_id}/links', json={}))['token']
    for path in (
        f'{file_id}/content', f'{file_id}/content?inline=true', f'shared/{link}/content',
        f'{file_id}/versions/{number}/content', f'{file_id}/thumbnail',
    ):  # fmt: skip
        url = f'{URL}/{path}'
        yield client.get(url, buffered=True)
        yield client.head(url, buffered=True)
        yield client.get(url, headers={'Range': 'bytes=0-3'}, buffered=True)
    yield client.post(f'{URL}/archives', json={'ids': [file_id]}, buffered=True)


def assert_all_refuse(answers: Iterator[Any], status: int) -> None:
    """Check that none of the answers gives anything."""
    for answer in answers:
        assert answer.status_code == status
        assert answer.request.method == 'HEAD' or set(reasons(answer)) == {'scan'}


def state_of(file: Any) -> str | None:
    """Return what the scanner said of a file."""
    return db.session.scalar(select(Version.scan).where(Version.file_id == file.id))


class TestHeldBack:
    @pytest.mark.parametrize('door', DOORS)
    def test_until_it_is_scanned(self, app: Any, client: Any, door: Any) -> None:
        file_id = door(client, b'Hello.')

        assert_all_refuse(ways_out(client, file_id, number=2 if door is as_version else 1), 409)
        assert client.get(f'{URL}/{file_id}/content').headers['Retry-After'] == '5'
        work_off(app)
        assert client.get(f'{URL}/{file_id}/content', buffered=True).data == b'Hello.'

    @pytest.mark.parametrize('door', DOORS)
    def test_for_good_where_something_was_found(self, app: Any, client: Any, door: Any) -> None:
        file_id = door(client, b'x' * 1000 + EICAR)
        work_off(app)

        assert_all_refuse(ways_out(client, file_id, number=2 if door is as_version else 1), 403)

    def test_where_it_is_too_large_to_be_scanned(self, app: Any, client: Any) -> None:
        file_id = raw(client, b'x' * (LARGEST + 200_000))
        work_off(app)

        assert_all_refuse(ways_out(client, file_id), 403)

    def test_while_the_scanner_is_down(
        self, app: Any, client: Any, down: None, address: str
    ) -> None:
        file_id = raw(client, b'Hello.')
        work_off(app)

        assert client.get(f'{URL}/{file_id}/content').status_code == 409
        app.config['FILES_SCANNER'] = address
        with time_machine.travel(now() + timedelta(minutes=2)):
            scan_overdue()
        assert client.get(f'{URL}/{file_id}/content', buffered=True).status_code == 200

    def test_also_where_the_same_bytes_of_somebody_else_are_clean(
        self, app: Any, client: Any, as_user: Any
    ) -> None:
        raw(client, b'Hello.')
        work_off(app)
        other = as_user(UserFactory())

        assert other.get(f'{URL}/{raw(other, b"Hello.")}/content').status_code == 409

    def test_is_each_version_by_itself(self, app: Any, client: Any) -> None:
        file_id = raw(client, b'Clean.')
        work_off(app)
        client.put(f'{URL}/{file_id}/content', data=EICAR)
        work_off(app)

        old = client.get(f'{URL}/{file_id}/versions/1/content', buffered=True)
        assert (old.status_code, old.data) == (200, b'Clean.')
        assert client.get(f'{URL}/{file_id}/content').status_code == 403
        # Back to it, it need not be scanned again.
        assert client.post(f'{URL}/{file_id}/versions/1/restore').status_code == 200
        assert client.get(f'{URL}/{file_id}/content', buffered=True).data == b'Clean.'

    def test_is_no_download_of_a_link(self, app: Any, client: Any) -> None:
        file_id = raw(client, b'Hello.')
        link = data(client.post(f'{URL}/{file_id}/links', json={'max_downloads': 1}))['token']
        for _ in range(3):
            assert client.get(f'{URL}/shared/{link}/content').status_code == 409
        work_off(app)

        assert client.get(f'{URL}/shared/{link}/content', buffered=True).status_code == 200

    def test_is_not_decoded(self, client: Any) -> None:
        file_id = raw(client, b'\x89PNG\r\n\x1a\n' + bytes(64))

        assert client.get(f'{URL}/{file_id}/thumbnail').status_code == 409
        assert db.session.scalars(select(Thumbnail.state)).all() == []

    def test_is_left_out_of_an_export(self, app: Any, client: Any, ada: Any) -> None:
        raw(client, b'Clean.')
        raw(client, EICAR)
        work_off(app)
        raw(client, b'Waiting.')

        parts = [part for part in export_files(ada.id) if '/content/' in part.path]

        assert [b''.join(part.blocks) for part in parts] == [b'Clean.']

    def test_is_said_in_the_list_of_versions(self, app: Any, client: Any) -> None:
        listed = f'{URL}/{raw(client, EICAR)}/versions'

        assert data(client.get(listed))['items'][0]['scan'] is None
        work_off(app)
        assert data(client.get(listed))['items'][0]['scan'] == 'infected'


class TestCheckClean:
    def test_lets_all_pass_but_the_infected_where_nobody_scans(
        self, app: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(app.config, 'FILES_SCANNER', '')

        for scan in (None, 'clean', 'unscannable'):
            check_clean(scan)
        with pytest.raises(ScanInfected):
            check_clean('infected')

    @pytest.mark.parametrize(
        ('scan', 'refusal'),
        [
            (None, ScanPending), ('infected', ScanInfected), ('unscannable', ScanRefused),
            ('something new', ScanRefused),
        ],
    )  # fmt: skip
    def test_lets_nothing_pass_but_the_clean_where_somebody_does(
        self, scan: str | None, refusal: type[Exception]
    ) -> None:
        check_clean('clean')
        with pytest.raises(refusal):
            check_clean(scan)


class TestScanOverdue:
    def test_scans_what_came_before_there_was_a_scanner(
        self, app: Any, ada: Any, address: str
    ) -> None:
        app.config['FILES_SCANNER'] = ''
        file = store(ada.id, b'Old.')
        app.config['FILES_SCANNER'] = address

        scan_overdue()
        assert state_of(file) is None, 'its task may be about to'
        with time_machine.travel(now() + timedelta(minutes=2)):
            scan_overdue()

        assert state_of(file) == 'clean'

    def test_does_nothing_where_nobody_scans(self, app: Any, ada: Any) -> None:
        app.config['FILES_SCANNER'] = ''
        file = store(ada.id)

        with time_machine.travel(now() + timedelta(minutes=2)):
            scan_overdue()

        assert state_of(file) is None
        assert db.session.scalars(select(Entry.id)).all() == []

    def test_waits_while_the_scanner_is_down(self, ada: Any, down: None, caplog: Any) -> None:
        file = store(ada.id)

        with time_machine.travel(now() + timedelta(minutes=2)):
            scan_overdue()

        assert state_of(file) is None
        assert 'holds files back' in caplog.text


class TestFilesScan:
    def test_scans_what_was_not_scanned(self, cli: Any, ada: Any) -> None:
        store(ada.id, b'Clean.')
        store(ada.id, EICAR)

        done = cli.invoke(args=['files', 'scan', '--json'])

        assert done.exit_code == 0
        assert json.loads(done.stdout) == {
            'clean': 1, 'infected': 1, 'unscannable': 0, 'failed': 0,
        }  # fmt: skip
        again = cli.invoke(args=['files', 'scan', '--json'])
        assert not any(json.loads(again.stdout).values())

    def test_scans_everything_again(self, cli: Any, ada: Any) -> None:
        file = store(ada.id, EICAR)
        # As if the signature had not been known then.
        with atomic():
            db.session.execute(update(Version).values(scan='clean'))

        done = cli.invoke(args=['files', 'scan', '--again'])

        assert done.exit_code == 0
        assert state_of(file) == 'infected'

    def test_fails_where_the_scanner_does(self, cli: Any, ada: Any, down: None) -> None:
        store(ada.id)

        done = cli.invoke(args=['files', 'scan', '--json'])

        assert done.exit_code == 1
        assert json.loads(done.stdout)['failed'] == 1

    def test_refuses_without_a_scanner(self, app: Any, cli: Any) -> None:
        app.config['FILES_SCANNER'] = ''

        assert cli.invoke(args=['files', 'scan']).exit_code == 2


class TestDeclaredType:
    """What a client says of the bytes is kept, and changes nothing."""

    @pytest.fixture(autouse=True)
    def scanner(self, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody scans."""
        monkeypatch.setitem(app.config, 'FILES_SCANNER', '')

    @pytest.mark.parametrize(
        ('said', 'kept'),
        [
            ('application/pdf', 'application/pdf'),
            ('Text/HTML; charset=utf-8', 'text/html'),
            ('application/vnd.ms-excel', 'application/vnd.ms-excel'),
            ('', None),
            ('nonsense', None),
            ('a/b/c', None),
            ('<b>/<i>', None),
            (f'text/{"x" * 200}', None),
        ],
    )
    def test_is_kept_if_it_is_one(self, client: Any, said: str, kept: str | None) -> None:
        file = data(client.post(URL, data=b'Hello.', content_type=said))

        version = data(client.get(f'{URL}/{file["id"]}/versions'))['items'][0]
        assert (version['declared_type'], version['type']) == (kept, 'text/plain')
        assert file['type'] == 'text/plain'

    def test_comes_in_a_form_and_by_tus(self, client: Any) -> None:
        form = client.post(URL, data={'file': (io.BytesIO(b'a'), 'a.pdf', 'application/pdf')})
        described = {'Upload-Metadata': 'filename YS5wZGY=,filetype aW1hZ2UvcG5n'}
        expected = {
            data(form)['id']: 'application/pdf',
            by_tus(client, b'abc', **described): 'image/png',
        }

        for file_id, type_ in expected.items():
            version = data(client.get(f'{URL}/{file_id}/versions'))['items'][0]
            assert version['declared_type'] == type_

    def test_is_that_of_each_version(self, client: Any) -> None:
        file_id = raw(client, b'1')
        client.put(f'{URL}/{file_id}/content', data=b'2', content_type='text/markdown')
        client.post(f'{URL}/{file_id}/versions/1/restore')

        listed = data(client.get(f'{URL}/{file_id}/versions'))['items']
        assert [v['declared_type'] for v in listed] == ['text/csv', 'text/markdown', 'text/csv']
