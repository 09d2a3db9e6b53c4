"""HTTP: create, inspect, expire and delete resumable uploads (tus 1.0.0)."""

import hashlib
from base64 import b64encode
from datetime import timedelta
from email.utils import parsedate_to_datetime
from io import BytesIO
from uuid import uuid4

import pytest
from sqlalchemy import event, select

from project.core.database.session import db
from project.files import service
from project.files.models import Upload
from project.files.partial_uploads import PartialFile
from project.files.service.upload_reservations import release_expired_reservations
from tests.files.file_io import partial_files
from tests.files.tus_requests import (
    CHUNK_TYPE,
    CONTENT,
    FILES,
    TUS_HEADERS,
    URL,
    content_of,
    create,
    head,
    metadata,
    patch,
)
from tests.kit.responses import data, fails_with, reasons
from tests.users.factories import UserFactory


class TestOptions:
    def test_returns_the_capabilities_without_login(self, app):
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


class TestTusVersion:
    @pytest.mark.parametrize('version', [None, '0.2.2', '1.0.1', ''])
    def test_returns_412_for_another_version(self, client, version):
        url = create(client).location
        headers = {'Tus-Resumable': version} if version is not None else {}
        asked = [
            client.post(URL, headers={**headers, 'Upload-Length': '5'}),
            client.patch(
                url, data=b'x', content_type=CHUNK_TYPE, headers={**headers, 'Upload-Offset': '0'}
            ),
            client.delete(url, headers=headers),
        ]
        for response in asked:
            assert response.status_code == 412
            assert response.headers['Tus-Version'] == '1.0.0'
        assert client.head(url, headers=headers).status_code == 412
        assert head(client, url).headers['Upload-Offset'] == '0'

    def test_is_in_every_response(self, app, client):
        url = create(client).location
        answers = [
            create(client), patch(client, url, b'x', offset=7), head(client, url),
            head(client, f'{URL}/{uuid4()}'), client.delete(url, headers=TUS_HEADERS),
            create(app.test_client()),
        ]  # fmt: skip

        assert {answer.headers.get('Tus-Resumable') for answer in answers} == {'1.0.0'}


class TestCreation:
    def test_returns_a_relative_url(self, client):
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
    def test_rejects_an_invalid_length(self, client, length):
        response = create(client, length)

        fails_with(response, 'request', status=400)

    def test_rejects_an_unknown_length(self, client):
        response = client.post(URL, headers={**TUS_HEADERS, 'Upload-Defer-Length': '1'})

        assert response.status_code == 400

    @pytest.mark.parametrize(
        ('setting', 'key'), [('FILES_MAX_SIZE', 'size'), ('FILES_QUOTA', 'quota')]
    )
    def test_rejects_a_length_that_exceeds_a_limit(
        self, app, client, var, monkeypatch, setting, key
    ):
        monkeypatch.setitem(app.config, setting, 5)

        response = create(client, 6)

        fails_with(response, key, status=413)
        assert partial_files(var) == []

    def test_reserves_the_whole_length(self, client, ada):
        service.set_quota(ada.id, 10)
        create(client, 6)

        assert data(client.get(f'{FILES}/usage'))['reserved'] == 6
        assert create(client, 5).status_code == 413
        assert client.post(f'{FILES}?name=x', data=b'12345').status_code == 413
        assert create(client, 4).status_code == 201

    def test_keeps_the_upload_if_the_result_of_the_commit_is_unknown(self, own_app):
        ada = UserFactory()

        def break_off(connection):
            connection.connection.commit()
            raise ConnectionError('committed, but the connection broke')

        event.listen(db.engine, 'commit', break_off)
        try:
            with pytest.raises(ConnectionError):
                service.create_upload(ada.id, length=10, name='a')
        finally:
            event.remove(db.engine, 'commit', break_off)

        assert db.session.scalar(select(Upload.declared_size)) == 10
        assert not any(service.check_integrity())

    def test_creates_an_empty_file_at_once(self, client):
        response = create(client, 0, Upload_Metadata=metadata(filename='empty.txt'))

        assert response.status_code == 201
        file = data(client.get(f'{FILES}/{response.headers["X-File-Id"]}'))
        assert (file['name'], file['size']) == ('empty.txt', 0)

    @pytest.mark.parametrize('header', ['filename !!!', 'filename ===', 'filename YQ==,é YQ=='])
    def test_rejects_malformed_metadata(self, client, header):
        response = create(client, Upload_Metadata=header.encode().decode('latin-1'))

        assert response.status_code == 400

    def test_accepts_metadata_without_values(self, client):
        header = f'is_private,{metadata(filename="a.txt", filetype="text/plain")}'

        response = create(client, Upload_Metadata=header)

        assert head(client, response.location).headers['Upload-Metadata'] == header

    def test_returns_unknown_metadata_unchanged(self, client):
        header = f'thumbprint {b64encode(bytes(range(250, 256))).decode()}'

        response = create(client, Upload_Metadata=header)

        assert head(client, response.location).headers['Upload-Metadata'] == header

    def test_rejects_a_too_long_name(self, client):
        response = create(client, Upload_Metadata=metadata(filename='x' * 256))

        fails_with(response, 'name')


class TestCreationWithUpload:
    def test_stores_the_first_chunk(self, client):
        response = create(client, content=CONTENT[:10])

        assert (response.status_code, response.headers['Upload-Offset']) == (201, '10')
        assert 'X-File-Id' not in response.headers

    def test_creates_the_file_if_the_chunk_is_complete(self, client):
        response = create(client, content=CONTENT)

        assert content_of(client, response.headers['X-File-Id']) == CONTENT

    def test_rejects_more_bytes_than_announced(self, client, var):
        response = create(client, 3, content=CONTENT)

        fails_with(response, 'size', status=413)
        assert partial_files(var) == []

    @pytest.mark.parametrize(
        ('content', 'header', 'status'),
        [(CONTENT[:10], f'sha1 {"A" * 27}=', 460), (CONTENT[:10], 'md5 eA==', 400)],
    )
    def test_creates_no_upload_if_the_first_chunk_is_rejected(
        self, client, var, content, header, status
    ):
        response = create(client, content=content, Upload_Checksum=header)

        assert response.status_code == status
        assert 'Location' not in response.headers
        assert partial_files(var) == []
        assert db.session.scalars(select(Upload.id)).all() == []
        assert data(client.get(f'{FILES}/usage'))['reserved'] == 0

    def test_creates_no_upload_if_the_connection_breaks(self, client, var):
        class Broken(BytesIO):
            def read1(self, size=-1):
                raise ConnectionResetError

        response = client.post(
            URL, input_stream=Broken(), content_type=CHUNK_TYPE,
            headers={**TUS_HEADERS, 'Upload-Length': '20'},
            environ_overrides={'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
        )  # fmt: skip

        # The connection is broken: the client does not receive the URL of the upload, so it cannot
        # continue.
        assert response.status_code == 400
        assert partial_files(var) == []
        assert data(client.get(f'{FILES}/usage'))['reserved'] == 0


class TestChecksum:
    @pytest.mark.parametrize('algorithm', ['sha1', 'sha256'])
    def test_accepts_a_matching_checksum(self, client, algorithm):
        url = create(client).location
        right = b64encode(hashlib.new(algorithm, CONTENT[:10]).digest()).decode()

        response = patch(client, url, CONTENT[:10], Upload_Checksum=f'{algorithm} {right}')

        assert (response.status_code, response.headers['Upload-Offset']) == (204, '10')

    def test_stores_nothing_of_a_chunk_with_another_checksum(self, client):
        url = create(client, content=CONTENT[:10]).location
        wrong = b64encode(hashlib.sha1(b'another').digest()).decode()

        response = patch(client, url, CONTENT[10:], offset=10, Upload_Checksum=f'sha1 {wrong}')

        fails_with(response, 'checksum', status=460)
        assert head(client, url).headers['Upload-Offset'] == '10'
        last = patch(client, url, CONTENT[10:], offset=10)
        assert content_of(client, last.headers['X-File-Id']) == CONTENT

    @pytest.mark.parametrize('header', ['md5 YQ==', 'sha1', 'sha1 !!', 'sha1 ', '', 'crc32 YQ=='])
    def test_rejects_an_invalid_checksum(self, client, header):
        url = create(client).location

        response = patch(client, url, b'x', Upload_Checksum=header)

        assert response.status_code == 400
        assert head(client, url).headers['Upload-Offset'] == '0'


class TestExpiration:
    def test_is_postponed_with_each_chunk(self, client, travel):
        created = create(client)
        first = parsedate_to_datetime(created.headers['Upload-Expires'])
        travel(hours=20)

        after = patch(client, created.location, b'x')

        moved = parsedate_to_datetime(after.headers['Upload-Expires'])
        assert timedelta(hours=19) < moved - first < timedelta(hours=21)
        travel(hours=20)
        assert head(client, created.location).status_code == 200

    def test_deletes_the_upload_and_releases_its_reservation(self, client, travel, var):
        url = create(client, content=CONTENT[:10]).location
        travel(days=1, seconds=1)

        assert head(client, url).status_code == 404
        assert patch(client, url, CONTENT[10:], offset=10).status_code == 404
        release_expired_reservations()
        assert data(client.get(f'{FILES}/usage'))['reserved'] == 0

    def test_deletes_partial_files_without_a_row(self, var):
        PartialFile(uuid4()).create_if_missing()

        assert [item.kind for item in service.collect_garbage()] == ['incoming']

        assert partial_files(var) == []

    def test_keeps_partial_files_of_active_uploads(self, client, var):
        create(client, content=CONTENT[:5])

        assert list(service.collect_garbage()) == []


class TestUnsupportedHeaders:
    @pytest.mark.parametrize(
        ('name', 'value'),
        [
            ('Upload-Concat', 'partial'), ('Upload-Concat', 'final;/files/a /files/b'),
            ('Upload-Defer-Length', '1'), ('Upload-Complete', '?1'), ('upload-unheard-of', ''),
        ],
    )  # fmt: skip
    def test_are_rejected_without_any_effect(self, client, var, name, value):
        url = create(client).location
        before = partial_files(var)
        override = {**TUS_HEADERS, 'X-HTTP-Method-Override': 'PATCH', 'Upload-Offset': '0'}
        answers = [
            create(client, **{name: value}),
            create(client, content=CONTENT, **{name: value}),
            patch(client, url, CONTENT, **{name: value}),
            client.post(
                url, data=CONTENT, content_type=CHUNK_TYPE, headers={**override, name: value}
            ),
        ]

        assert [answer.status_code for answer in answers] == [400] * 4
        assert all(name.title() in reasons(answer)['request'][0] for answer in answers)
        assert partial_files(var) == before
        assert head(client, url).headers['Upload-Offset'] == '0'


class TestFinishedUpload:
    def statuses(self, client, url):
        """Return the status codes of HEAD, PATCH and DELETE for an upload that is complete."""
        return [
            head(client, url).status_code,
            patch(client, url, b'', offset=len(CONTENT)).status_code,
            client.delete(url, headers=TUS_HEADERS).status_code,
        ]

    def test_returns_404_while_its_file_is_in_the_trash(self, client):
        created = create(client, content=CONTENT)
        file = f'{FILES}/{created.headers["X-File-Id"]}'

        client.delete(file)

        assert self.statuses(client, created.location) == [404, 404, 404]
        assert client.post(f'{file}/restore').status_code == 200
        assert self.statuses(client, created.location) == [200, 204, 204]

    def test_returns_404_after_its_file_is_deleted(self, client):
        created = create(client, content=CONTENT)
        file = f'{FILES}/{created.headers["X-File-Id"]}'

        client.delete(file, query_string={'permanent': 'true'})

        assert self.statuses(client, created.location) == [404, 404, 404]


class TestTermination:
    def test_releases_the_reservation(self, client):
        url = create(client, content=CONTENT[:10]).location

        response = client.delete(url, headers=TUS_HEADERS)

        assert (response.status_code, response.data) == (204, b'')
        assert head(client, url).status_code == 404
        assert patch(client, url, CONTENT[10:], offset=10).status_code == 404
        assert client.delete(url, headers=TUS_HEADERS).status_code == 404
        assert data(client.get(f'{FILES}/usage'))['reserved'] == 0

    def test_keeps_the_file_of_a_complete_upload(self, client):
        created = create(client, content=CONTENT)

        assert client.delete(created.location, headers=TUS_HEADERS).status_code == 204

        assert content_of(client, created.headers['X-File-Id']) == CONTENT


class TestMethodOverride:
    def test_runs_patch_head_and_delete(self, client):
        url = create(client).location
        headers = {**TUS_HEADERS, 'X-HTTP-Method-Override': 'PATCH', 'Upload-Offset': '0'}

        response = client.post(url, data=CONTENT, content_type=CHUNK_TYPE, headers=headers)

        assert response.status_code == 204
        shown = client.post(url, headers={**TUS_HEADERS, 'X-HTTP-Method-Override': 'HEAD'})
        assert shown.status_code == 204
        assert shown.headers['Upload-Offset'] == str(len(CONTENT))
        gone = client.post(url, headers={**TUS_HEADERS, 'X-HTTP-Method-Override': 'DELETE'})
        assert gone.status_code == 204

    @pytest.mark.parametrize('method', ['', 'PUT', 'OPTIONS'])
    def test_rejects_other_methods(self, client, method):
        url = create(client).location

        response = client.post(url, headers={**TUS_HEADERS, 'X-HTTP-Method-Override': method})

        assert response.status_code == 400


class TestDeduplication:
    def test_stores_equal_bytes_once(self, client, kept, var):
        client.post(f'{FILES}?name=x', data=CONTENT)

        response = create(client, content=CONTENT)

        assert content_of(client, response.headers['X-File-Id']) == CONTENT
        assert len(kept()) == 1
