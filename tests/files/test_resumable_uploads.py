"""Uploads that may be resumed, rule by rule of tus 1.0.0, over HTTP."""

import hashlib
import os
from base64 import b64encode
from datetime import timedelta
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
import time_machine
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from project.core.clock import now
from project.core.database.session import db
from project.core.errors import ServiceUnavailable, Unauthorized
from project.files import partial_uploads, service
from project.files.errors import ChecksumMismatch, OffsetMismatch, UploadLeaseLost
from project.files.models import Upload
from project.files.partial_uploads import PartialFile
from project.files.service import resumable_uploads
from project.files.service.upload_reservations import release_expired_reservations
from project.files.tus import Checksum
from project.users import service as users
from tests.client import data, reasons
from tests.users.factories import UserFactory

from .file_io import read

URL = '/api/v1/files/uploads'
FILES = '/api/v1/files'
CONTENT = b'Some bytes that come in pieces.'
SPEAKING = {'Tus-Resumable': '1.0.0'}
PIECE = 'application/offset+octet-stream'


@pytest.fixture
def client(as_user, ada):
    """A client that is Ada."""
    return as_user(ada)


@pytest.fixture
def clock():
    """A clock that stands still unless it is moved."""
    with time_machine.travel(now(), tick=False) as clock:
        yield clock


def create(client, length=None, content=None, **headers):
    """Begin an upload, perhaps with a first piece."""
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    length = len(CONTENT) if length is None else length
    return client.post(
        URL, data=content, content_type=PIECE if content is not None else None,
        headers={**SPEAKING, 'Upload-Length': str(length), **named},
    )  # fmt: skip


def patch(client, url, content, offset=0, **headers):
    """Send a piece."""
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    headers = {**SPEAKING, 'Upload-Offset': str(offset), **named}
    type = headers.pop('Content-Type', PIECE)
    return client.patch(url, data=content, content_type=type, headers=headers)


def head(client, url):
    """Ask how far it has come."""
    return client.head(url, headers=SPEAKING)


def metadata(**values):
    """Say what an upload is, as the protocol wants it."""
    return ','.join(f'{key} {b64encode(value.encode()).decode()}' for key, value in values.items())


def content_of(client, file_id):
    """Return the bytes of a file."""
    return client.get(f'{FILES}/{file_id}/content', buffered=True).data


def left(var):
    """Return what lies among the pieces."""
    return sorted(path.name for path in (var / 'storage' / 'partial').glob('*'))


class TestOptions:
    def test_says_what_is_spoken_to_anybody(self, app):
        response = app.test_client().options(URL)

        assert (response.status_code, response.data) == (204, b'')
        assert 'Content-Type' not in response.headers
        assert response.headers['Tus-Resumable'] == '1.0.0'
        assert response.headers['Tus-Version'] == '1.0.0'
        assert response.headers['Tus-Extension'].split(',') == [
            'creation', 'creation-with-upload', 'expiration', 'checksum', 'termination',
        ]  # fmt: skip
        assert response.headers['Tus-Max-Size'] == str(app.config['FILES_MAX_SIZE'])
        assert response.headers['Tus-Checksum-Algorithm'] == 'sha1,sha256'


class TestVersion:
    @pytest.mark.parametrize('version', [None, '0.2.2', '1.0.1', ''])
    def test_does_nothing_for_who_speaks_another(self, client, version):
        url = create(client).location
        headers = {'Tus-Resumable': version} if version is not None else {}
        asked = [
            client.post(URL, headers={**headers, 'Upload-Length': '5'}),
            client.patch(
                url, data=b'x', content_type=PIECE, headers={**headers, 'Upload-Offset': '0'}
            ),
            client.delete(url, headers=headers),
        ]
        for response in asked:
            assert response.status_code == 412
            assert response.headers['Tus-Version'] == '1.0.0'
        assert client.head(url, headers=headers).status_code == 412
        assert head(client, url).headers['Upload-Offset'] == '0'

    def test_is_said_in_every_answer(self, app, client):
        url = create(client).location
        answers = [
            create(client), patch(client, url, b'x', offset=7), head(client, url),
            head(client, f'{URL}/{uuid4()}'), client.delete(url, headers=SPEAKING),
            create(app.test_client()),
        ]  # fmt: skip

        assert {answer.headers.get('Tus-Resumable') for answer in answers} == {'1.0.0'}


class TestCreation:
    def test_answers_with_a_place_that_is_relative(self, client):
        response = create(client, Upload_Metadata=metadata(filename='a.txt'))

        assert (response.status_code, response.data) == (201, b'')
        assert response.location.startswith(f'{URL}/')
        shown = head(client, response.location)
        assert shown.status_code == 200
        assert shown.headers['Upload-Offset'] == '0'
        assert shown.headers['Upload-Length'] == str(len(CONTENT))
        assert shown.headers['Upload-Metadata'] == metadata(filename='a.txt')
        assert 'no-store' in shown.headers['Cache-Control']

    @pytest.mark.parametrize('length', ['', '-1', '1.5', 'many', '٣', '1' * 19])
    def test_rejects_a_length_that_is_none(self, client, length):
        response = create(client, length)

        assert (response.status_code, set(reasons(response))) == (400, {'request'})

    def test_rejects_one_whose_length_is_not_known_yet(self, client):
        response = client.post(URL, headers={**SPEAKING, 'Upload-Defer-Length': '1'})

        assert response.status_code == 400

    @pytest.mark.parametrize(
        ('setting', 'key'), [('FILES_MAX_SIZE', 'size'), ('FILES_QUOTA', 'quota')]
    )
    def test_rejects_what_cannot_fit(self, app, client, var, monkeypatch, setting, key):
        monkeypatch.setitem(app.config, setting, 5)

        response = create(client, 6)

        assert (response.status_code, set(reasons(response))) == (413, {key})
        assert left(var) == []

    def test_reserves_space_for_all_of_it(self, client, ada):
        service.set_quota(ada.id, 10)
        create(client, 6)

        assert data(client.get(f'{FILES}/usage'))['reserved'] == 6
        assert create(client, 5).status_code == 413
        assert client.post(f'{FILES}?name=x', data=b'12345').status_code == 413
        assert create(client, 4).status_code == 201

    def test_keeps_the_bytes_where_it_is_unknown_whether_it_began(self, own_app):
        ada = UserFactory()

        def break_off(connection):
            connection.connection.commit()
            raise ConnectionError('committed, and nobody heard of it')

        event.listen(db.engine, 'commit', break_off)
        try:
            with pytest.raises(ConnectionError):
                service.create_upload(ada.id, length=10, name='a')
        finally:
            event.remove(db.engine, 'commit', break_off)

        assert db.session.scalar(select(Upload.declared_size)) == 10
        assert not any(service.check_integrity())

    def test_makes_a_file_of_nothing_at_once(self, client):
        response = create(client, 0, Upload_Metadata=metadata(filename='empty.txt'))

        assert response.status_code == 201
        file = data(client.get(f'{FILES}/{response.headers["X-File-Id"]}'))
        assert (file['name'], file['size']) == ('empty.txt', 0)

    @pytest.mark.parametrize('said', ['filename !!!', 'filename ===', 'filename YQ==,é YQ=='])
    def test_rejects_metadata_that_is_none(self, client, said):
        response = create(client, Upload_Metadata=said.encode().decode('latin-1'))

        assert response.status_code == 400

    def test_takes_metadata_without_values(self, client):
        said = f'is_private,{metadata(filename="a.txt", filetype="text/plain")}'

        response = create(client, Upload_Metadata=said)

        assert head(client, response.location).headers['Upload-Metadata'] == said

    def test_leaves_values_that_it_does_not_know_to_the_client(self, client):
        said = f'thumbprint {b64encode(bytes(range(250, 256))).decode()}'

        response = create(client, Upload_Metadata=said)

        assert head(client, response.location).headers['Upload-Metadata'] == said

    def test_rejects_a_name_that_is_no_text(self, client):
        said = f'filename {b64encode(bytes(range(250, 256))).decode()}'

        assert create(client, Upload_Metadata=said).status_code == 400

    def test_rejects_a_name_that_is_too_long(self, client):
        response = create(client, Upload_Metadata=metadata(filename='x' * 256))

        assert (response.status_code, set(reasons(response))) == (422, {'name'})


class TestCreationWithUpload:
    def test_takes_a_first_piece(self, client):
        response = create(client, content=CONTENT[:10])

        assert (response.status_code, response.headers['Upload-Offset']) == (201, '10')
        assert 'X-File-Id' not in response.headers

    def test_may_be_all_of_it(self, client):
        response = create(client, content=CONTENT)

        assert content_of(client, response.headers['X-File-Id']) == CONTENT

    def test_rejects_more_than_was_announced(self, client, var):
        response = create(client, 3, content=CONTENT)

        assert (response.status_code, set(reasons(response))) == (413, {'size'})
        assert left(var) == []

    @pytest.mark.parametrize(
        ('content', 'said', 'status'),
        [(CONTENT[:10], f'sha1 {"A" * 27}=', 460), (CONTENT[:10], 'md5 eA==', 400)],
    )
    def test_begins_nothing_whose_first_piece_is_rejected(self, client, var, content, said, status):
        response = create(client, content=content, Upload_Checksum=said)

        assert response.status_code == status
        assert 'Location' not in response.headers
        assert left(var) == []
        assert db.session.scalars(select(Upload.id)).all() == []
        assert data(client.get(f'{FILES}/usage'))['reserved'] == 0

    def test_begins_nothing_whose_first_piece_breaks_off(self, client, var):
        class Broken(BytesIO):
            def readinto(self, buffer):
                raise ConnectionResetError

        response = client.post(
            URL, input_stream=Broken(), content_type=PIECE,
            headers={**SPEAKING, 'Upload-Length': '20'},
            environ_overrides={'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
        )  # fmt: skip

        # Nobody hears that, nor where it would go on.
        assert response.status_code == 400
        assert left(var) == []
        assert data(client.get(f'{FILES}/usage'))['reserved'] == 0


class TestPatch:
    def test_makes_a_file_of_all_pieces(self, client, var):
        url = create(client, Upload_Metadata=metadata(filename='a.txt')).location

        first = patch(client, url, CONTENT[:10])
        last = patch(client, url, CONTENT[10:], offset=10)

        assert (first.status_code, first.data, first.headers['Upload-Offset']) == (204, b'', '10')
        assert (last.status_code, last.headers['Upload-Offset']) == (204, str(len(CONTENT)))
        file_id = last.headers['X-File-Id']
        shown = data(client.get(f'{FILES}/{file_id}'))
        assert (shown['name'], shown['size']) == ('a.txt', len(CONTENT))
        assert shown['sha256'] == hashlib.sha256(CONTENT).hexdigest()
        assert content_of(client, file_id) == CONTENT
        assert left(var) == []
        usage = data(client.get(f'{FILES}/usage'))
        assert (usage['used'], usage['reserved']) == (len(CONTENT), 0)

    @pytest.mark.parametrize('offset', [0, 9, 11])
    def test_changes_nothing_at_another_offset(self, client, offset):
        url = create(client, content=CONTENT[:10]).location

        response = patch(client, url, b'xxx', offset=offset)

        assert (response.status_code, set(reasons(response))) == (409, {'offset'})
        assert head(client, url).headers['Upload-Offset'] == '10'

    @pytest.mark.parametrize('offset', ['', '-1', 'x'])
    def test_rejects_an_offset_that_is_none(self, client, offset):
        response = patch(client, create(client).location, b'x', offset=offset)

        assert response.status_code == 400

    @pytest.mark.parametrize('type', ['application/octet-stream', 'text/plain', ''])
    def test_rejects_other_types(self, client, type):
        url = create(client).location

        response = patch(client, url, b'x', **{'Content-Type': type})

        assert (response.status_code, set(reasons(response))) == (415, {'content_type'})
        assert head(client, url).headers['Upload-Offset'] == '0'

    def test_rejects_more_than_was_announced(self, client):
        url = create(client, 5).location

        response = patch(client, url, b'123456')

        assert (response.status_code, set(reasons(response))) == (413, {'size'})
        assert head(client, url).headers['Upload-Offset'] == '0'

    def test_rejects_more_although_nobody_said_how_much(self, client):
        url = create(client, 5).location

        response = client.patch(
            url, input_stream=BytesIO(b'123456'), content_type=PIECE,
            headers={**SPEAKING, 'Upload-Offset': '0'},
            environ_overrides={'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
        )  # fmt: skip

        assert response.status_code == 413
        assert head(client, url).headers['Upload-Offset'] == '0'

    def test_keeps_what_came_before_it_broke_off(self, client):
        class Broken(BytesIO):
            def readinto(self, buffer):
                block = super().read(4)
                if not block:
                    raise ConnectionResetError
                buffer[: len(block)] = block
                return len(block)

        url = create(client).location
        answer = client.patch(
            url, input_stream=Broken(CONTENT[:10]), content_type=PIECE,
            headers={**SPEAKING, 'Upload-Offset': '0'},
            environ_overrides={'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
        )  # fmt: skip

        # Nobody hears that.
        assert answer.status_code == 400
        assert head(client, url).headers['Upload-Offset'] == '10'
        last = patch(client, url, CONTENT[10:], offset=10)
        assert content_of(client, last.headers['X-File-Id']) == CONTENT

    @pytest.mark.parametrize('fault', [ServiceUnavailable(), OperationalError('', {}, OSError())])
    def test_asks_no_more_of_what_has_just_failed(self, ada, fault):
        class Failing(BytesIO):
            def read(self, size=-1):
                block = super().read(size)
                if not block:
                    raise fault
                return block

        upload = service.create_upload(ada.id, length=len(CONTENT), name='a')

        with pytest.raises(type(fault)):
            service.append(ada.id, upload.id, Failing(CONTENT[:10]), offset=0)

        assert service.get_upload(ada.id, upload.id).offset == 0

    def test_goes_on_from_what_was_acknowledged_and_not_from_what_is_there(self, client):
        url = create(client, content=CONTENT[:10]).location
        upload = db.session.scalar(select(Upload.id))
        # A process was killed before it said so.
        with PartialFile(upload).exclusive() as file:
            partial_uploads.write_at(file, 10, b'never acknowledged')

        last = patch(client, url, CONTENT[10:], offset=10)

        assert content_of(client, last.headers['X-File-Id']) == CONTENT

    def test_answers_again_who_lost_the_last_answer(self, client):
        url = create(client, content=CONTENT).location

        again = patch(client, url, b'', offset=len(CONTENT))
        shown = head(client, url)

        assert again.status_code == 204
        assert shown.headers['Upload-Offset'] == shown.headers['Upload-Length']
        assert again.headers['X-File-Id'] == shown.headers['X-File-Id']
        assert len(data(client.get(FILES))['items']) == 1

    def test_is_on_the_disk_before_it_is_acknowledged(self, client, monkeypatch):
        url = create(client).location
        happened, fsync = [], os.fsync

        def record(descriptor):
            happened.append(Path(f'/proc/self/fd/{descriptor}').readlink().parent.name)
            return fsync(descriptor)

        monkeypatch.setattr(os, 'fsync', record)
        move = 'project.files.service.resumable_uploads._save'
        real = resumable_uploads._save
        monkeypatch.setattr(move, lambda *a: happened.append('said') or real(*a))

        patch(client, url, CONTENT[:10])

        assert happened == ['partial', 'said']

    def test_moves_on_while_a_piece_still_comes(self, ada, clock, monkeypatch):
        monkeypatch.setattr(resumable_uploads, 'CHECKPOINT_INTERVAL_SECONDS', 0)
        upload = service.create_upload(ada.id, length=len(CONTENT), name=None)
        seen = []

        class Slow(BytesIO):
            def read(self, _size=-1):
                shown = service.get_upload(ada.id, upload.id)
                seen.append((shown.offset, shown.expires_at - now()))
                clock.shift(timedelta(hours=20))
                return super().read(10)

        service.append(ada.id, upload.id, Slow(CONTENT), offset=0)

        # The last offset comes with the file. Meanwhile nobody takes it for given up.
        assert [offset for offset, _ in seen] == [0, 10, 20, 30, 30]
        assert all(left > timedelta(0) for _, left in seen)

    def test_moves_on_only_at_its_end_with_a_checksum(self, ada, monkeypatch):
        monkeypatch.setattr(resumable_uploads, 'CHECKPOINT_INTERVAL_SECONDS', 0)
        upload = service.create_upload(ada.id, length=len(CONTENT), name=None)
        seen = []

        class Slow(BytesIO):
            def read(self, _size=-1):
                seen.append(service.get_upload(ada.id, upload.id).offset)
                return super().read(10)

        wrong = Checksum('sha1', bytes(20))
        with pytest.raises(ChecksumMismatch):
            service.append(ada.id, upload.id, Slow(CONTENT), offset=0, checksum=wrong)

        assert set(seen) == {0}

    def test_is_overtaken_also_where_it_would_have_moved_on(self, ada, monkeypatch):
        monkeypatch.setattr(resumable_uploads, 'CHECKPOINT_INTERVAL_SECONDS', 0)
        upload = service.create_upload(ada.id, length=len(CONTENT), name=None)

        class Hung(BytesIO):
            def read(self, _size=-1):
                if self.tell() == 10:
                    service.append(ada.id, upload.id, BytesIO(CONTENT[10:20]), offset=10)
                return super().read(10)

        with pytest.raises(UploadLeaseLost):
            service.append(ada.id, upload.id, Hung(CONTENT[:10] + b'x' * 21), offset=0)

        assert service.get_upload(ada.id, upload.id).offset == 20
        done = service.append(ada.id, upload.id, BytesIO(CONTENT[20:]), offset=20)
        assert read(ada.id, done.file_id) == CONTENT

    def test_is_nobody_elses(self, as_user, client):
        url = create(client).location
        other = as_user(UserFactory())

        for response in (patch(other, url, b'x'), other.delete(url, headers=SPEAKING)):
            assert (response.status_code, set(reasons(response))) == (404, {'upload'})
        assert head(other, url).status_code == 404
        assert head(client, url).headers['Upload-Offset'] == '0'

    def test_checks_the_space_again(self, client, ada):
        url = create(client).location
        service.set_quota(ada.id, 3)

        response = patch(client, url, CONTENT)

        assert (response.status_code, set(reasons(response))) == (413, {'quota'})

    def test_asks_again_at_the_end_who_it_is(self, ada, kept):
        upload = service.create_upload(ada.id, length=4, name='a')

        class Disabling(BytesIO):
            def read(self, size=-1):
                if self.tell() == 2:
                    users.disable_user(ada.id)
                return super().read(2)

        with pytest.raises(Unauthorized):
            service.append(ada.id, upload.id, Disabling(b'1234'), offset=0)

        assert kept() == []
        assert service.get_upload(ada.id, upload.id).offset == 0


class TestChecksum:
    @pytest.mark.parametrize('algorithm', ['sha1', 'sha256'])
    def test_vouches_for_a_piece(self, client, algorithm):
        url = create(client).location
        right = b64encode(hashlib.new(algorithm, CONTENT[:10]).digest()).decode()

        response = patch(client, url, CONTENT[:10], Upload_Checksum=f'{algorithm} {right}')

        assert (response.status_code, response.headers['Upload-Offset']) == (204, '10')

    def test_keeps_nothing_of_a_piece_that_is_another(self, client):
        url = create(client, content=CONTENT[:10]).location
        wrong = b64encode(hashlib.sha1(b'another').digest()).decode()

        response = patch(client, url, CONTENT[10:], offset=10, Upload_Checksum=f'sha1 {wrong}')

        assert (response.status_code, set(reasons(response))) == (460, {'checksum'})
        assert head(client, url).headers['Upload-Offset'] == '10'
        last = patch(client, url, CONTENT[10:], offset=10)
        assert content_of(client, last.headers['X-File-Id']) == CONTENT

    @pytest.mark.parametrize('said', ['md5 YQ==', 'sha1', 'sha1 !!', 'sha1 ', '', 'crc32 YQ=='])
    def test_rejects_what_is_none(self, client, said):
        url = create(client).location

        response = patch(client, url, b'x', Upload_Checksum=said)

        assert response.status_code == 400
        assert head(client, url).headers['Upload-Offset'] == '0'


class TestExpiration:
    def test_says_when_and_moves_it_on_with_each_piece(self, client, clock):
        created = create(client)
        first = parsedate_to_datetime(created.headers['Upload-Expires'])
        clock.shift(timedelta(hours=20))

        after = patch(client, created.location, b'x')

        moved = parsedate_to_datetime(after.headers['Upload-Expires'])
        assert timedelta(hours=19) < moved - first < timedelta(hours=21)
        clock.shift(timedelta(hours=20))
        assert head(client, created.location).status_code == 200

    def test_deletes_it_then_with_its_reservation_and_its_bytes(self, client, clock, var):
        url = create(client, content=CONTENT[:10]).location
        clock.shift(timedelta(days=1, seconds=1))

        assert head(client, url).status_code == 404
        assert patch(client, url, CONTENT[10:], offset=10).status_code == 404
        release_expired_reservations()
        assert data(client.get(f'{FILES}/usage'))['reserved'] == 0

    def test_deletes_what_no_row_names(self, var):
        PartialFile(uuid4()).create()
        [path] = (var / 'storage' / 'partial').iterdir()
        assert list(service.collect_garbage()) == []
        os.utime(path, (0, 0))

        assert [swept.kind for swept in service.collect_garbage()] == ['incoming']

        assert left(var) == []

    def test_leaves_to_the_living_what_is_old(self, client, var):
        create(client)
        [path] = (var / 'storage' / 'partial').iterdir()
        os.utime(path, (0, 0))

        assert list(service.collect_garbage()) == []


class TestTermination:
    def test_releases_the_reservation(self, client):
        url = create(client, content=CONTENT[:10]).location

        response = client.delete(url, headers=SPEAKING)

        assert (response.status_code, response.data) == (204, b'')
        assert head(client, url).status_code == 404
        assert patch(client, url, CONTENT[10:], offset=10).status_code == 404
        assert client.delete(url, headers=SPEAKING).status_code == 404
        assert data(client.get(f'{FILES}/usage'))['reserved'] == 0

    def test_leaves_the_file_of_one_that_is_done(self, client):
        created = create(client, content=CONTENT)

        assert client.delete(created.location, headers=SPEAKING).status_code == 204

        assert content_of(client, created.headers['X-File-Id']) == CONTENT


class TestMethodOverride:
    def test_means_what_it_says(self, client):
        url = create(client).location
        headers = {**SPEAKING, 'X-HTTP-Method-Override': 'PATCH', 'Upload-Offset': '0'}

        response = client.post(url, data=CONTENT, content_type=PIECE, headers=headers)

        assert response.status_code == 204
        shown = client.post(url, headers={**SPEAKING, 'X-HTTP-Method-Override': 'HEAD'})
        assert shown.status_code == 204
        assert shown.headers['Upload-Offset'] == str(len(CONTENT))
        gone = client.post(url, headers={**SPEAKING, 'X-HTTP-Method-Override': 'DELETE'})
        assert gone.status_code == 204

    @pytest.mark.parametrize('method', ['', 'PUT', 'OPTIONS'])
    def test_rejects_others(self, client, method):
        url = create(client).location

        response = client.post(url, headers={**SPEAKING, 'X-HTTP-Method-Override': method})

        assert response.status_code == 400


class TestDeduplication:
    def test_stores_the_same_bytes_once(self, client, kept, var):
        client.post(f'{FILES}?name=x', data=CONTENT)

        response = create(client, content=CONTENT)

        assert content_of(client, response.headers['X-File-Id']) == CONTENT
        assert len(kept()) == 1


class TestFailedEnd:
    def test_lets_nobody_write_to_what_was_nearly_kept(self, ada, kept, var, monkeypatch):
        """The end fails when the bytes have their place already, and others come in their stead."""
        upload = service.create_upload(ada.id, length=10, name='a')
        service.append(ada.id, upload.id, BytesIO(b'12345'), offset=0)
        with monkeypatch.context() as patch:
            patch.setattr(resumable_uploads, 'after_commit', lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                service.append(ada.id, upload.id, BytesIO(b'67890'), offset=5)
        [name] = kept()

        assert service.get_upload(ada.id, upload.id).offset == 5
        done = service.append(ada.id, upload.id, BytesIO(b'other'), offset=5)

        assert content(ada, done.file_id) == b'12345other'
        orphan = var / 'storage' / 'blobs' / name[:2] / name[2:4] / name
        assert hashlib.sha256(orphan.read_bytes()).hexdigest() == name
        assert left(var) == []


def content(owner, file_id):
    """Return the bytes of somebody's file."""
    _, stream = service.open_content(owner.id, file_id)
    with stream:
        return stream.read()


class TestTakingOver:
    def test_leaves_nothing_of_who_wakes_up_late(self, own_app, ada):
        """A hung request, whose bytes come after a newer one has gone on from its offset."""
        with own_app.app_context():
            ada = UserFactory()
            upload = service.create_upload(ada.id, length=len(CONTENT), name='a')

            class Late(BytesIO):
                """Sends a piece, sleeps while another request goes on, and sends other bytes."""

                def read(self, size=-1):
                    if self.tell() == 0:
                        return super().read(5)
                    if self.tell() == 5:
                        service.append(ada.id, upload.id, BytesIO(CONTENT[:20]), offset=0)
                    return super().read(5)

            with pytest.raises(UploadLeaseLost):
                service.append(ada.id, upload.id, Late(b'x' * 20), offset=0)

            done = service.append(ada.id, upload.id, BytesIO(CONTENT[20:]), offset=20)
            _, stream = service.open_content(ada.id, done.file_id)
            with stream:
                assert stream.read() == CONTENT

    def test_asks_once_more_where_it_has_come_to(self, ada, monkeypatch):
        upload = service.create_upload(ada.id, length=10, name='a')
        service.append(ada.id, upload.id, BytesIO(b'12345'), offset=0)
        monkeypatch.setattr(resumable_uploads, 'get_upload', lambda *_: upload)

        with pytest.raises(OffsetMismatch):
            service.append(ada.id, upload.id, BytesIO(b'xxxxx'), offset=0)

    def test_of_many_with_one_offset_the_last_wins_and_no_bytes_are_mixed(
        self, own_app, run_concurrently
    ):
        ada = UserFactory()
        pieces = [bytes([number]) * 100_000 for number in range(1, 9)]
        upload = service.create_upload(ada.id, length=100_000, name='a')

        run_concurrently(*(
            lambda piece=piece: service.append(ada.id, upload.id, Drops(piece), offset=0)
            for piece in pieces
        ))  # fmt: skip

        done = service.get_upload(ada.id, upload.id)
        assert done.file_id is not None
        _, stream = service.open_content(ada.id, done.file_id)
        with stream:
            assert stream.read() in pieces
        usage = service.get_usage(ada.id)
        assert (usage['used'], usage['reserved'], usage['files']) == (100_000, 0, 1)


class Drops(BytesIO):
    """Bytes that come a few at a time."""

    def read(self, size=-1):
        return super().read(min(size, 1000))


def test_nothing_stays_of_who_is_deleted(client, ada, var):
    create(client, content=CONTENT[:10])

    users.delete_user(ada.id)

    assert db.session.scalars(select(Upload.id)).all() == []
