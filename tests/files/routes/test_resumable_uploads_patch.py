"""HTTP: append bytes to a resumable upload, as tus 1.0.0 requires."""

import hashlib
import os
import zlib
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from gunicorn.http.errors import ChunkMissingTerminator
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from project.core.clock import now
from project.core.database.session import db
from project.core.errors import RequestTimeout, ServiceUnavailable, Unauthorized
from project.files import service
from project.files.errors import ChecksumMismatch, UploadLeaseLost
from project.files.models import Blob, Upload
from project.files.partial_uploads import PartialFile
from project.files.service import resumable_uploads
from project.files.tus import Checksum
from project.users import service as users
from tests.files.file_io import partial_files, read
from tests.files.tus_requests import (
    CHUNK_TYPE,
    CONTENT,
    FILES,
    TUS_HEADERS,
    content_of,
    create,
    head,
    metadata,
    patch,
)
from tests.kit.responses import data, fails_with


class TestPatch:
    def test_creates_a_file_from_all_chunks(self, client, var):
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
        blob = select(Blob.crc32).where(Blob.sha256 == shown['sha256'])
        assert db.session.scalar(blob) == zlib.crc32(CONTENT)
        assert partial_files(var) == []
        usage = data(client.get(f'{FILES}/usage'))
        assert (usage['used'], usage['reserved']) == (len(CONTENT), 0)

    @pytest.mark.parametrize('offset', [0, 9, 11])
    def test_returns_409_for_another_offset(self, client, offset):
        url = create(client, content=CONTENT[:10]).location

        response = patch(client, url, b'xxx', offset=offset)

        fails_with(response, 'offset', status=409)
        assert head(client, url).headers['Upload-Offset'] == '10'

    @pytest.mark.parametrize('offset', ['', '-1', 'x'])
    def test_rejects_an_invalid_offset(self, client, offset):
        response = patch(client, create(client).location, b'x', offset=offset)

        assert response.status_code == 400

    @pytest.mark.parametrize('type', ['application/octet-stream', 'text/plain', ''])
    def test_rejects_other_content_types(self, client, type):
        url = create(client).location

        response = patch(client, url, b'x', **{'Content-Type': type})

        fails_with(response, 'content_type', status=415)
        assert head(client, url).headers['Upload-Offset'] == '0'

    def test_rejects_more_bytes_than_announced(self, client):
        url = create(client, 5).location

        response = patch(client, url, b'123456')

        fails_with(response, 'size', status=413)
        assert head(client, url).headers['Upload-Offset'] == '0'

    def test_rejects_too_many_bytes_of_unknown_length(self, client):
        url = create(client, 5).location

        response = client.patch(
            url, input_stream=BytesIO(b'123456'), content_type=CHUNK_TYPE,
            headers={**TUS_HEADERS, 'Upload-Offset': '0'},
            environ_overrides={'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
        )  # fmt: skip

        assert response.status_code == 413
        assert head(client, url).headers['Upload-Offset'] == '0'

    @pytest.mark.parametrize('is_announced', [True, False])
    def test_rejects_bytes_after_the_end(self, client, is_announced):
        url = create(client, 5, content=b'12345').location

        response = client.patch(
            url, input_stream=BytesIO(b'6'), content_type=CHUNK_TYPE,
            headers={**TUS_HEADERS, 'Upload-Offset': '5'},
            environ_overrides={'CONTENT_LENGTH': '1'} if is_announced
            else {'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
        )  # fmt: skip

        fails_with(response, 'size', status=413)

    def test_keeps_the_bytes_received_before_the_connection_broke(self, client):
        class Broken(BytesIO):
            def read1(self, size=-1):
                block = super().read1(min(size, 4))
                if not block:
                    raise ConnectionResetError
                return block

        url = create(client).location
        answer = client.patch(
            url, input_stream=Broken(CONTENT[:10]), content_type=CHUNK_TYPE,
            headers={**TUS_HEADERS, 'Upload-Offset': '0'},
            environ_overrides={'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
        )  # fmt: skip

        # The connection is broken: the client does not receive this response.
        assert answer.status_code == 400
        assert head(client, url).headers['Upload-Offset'] == '10'
        last = patch(client, url, CONTENT[10:], offset=10)
        assert content_of(client, last.headers['X-File-Id']) == CONTENT

    @pytest.mark.parametrize('error', [RequestTimeout(), ChunkMissingTerminator(b'')])
    def test_keeps_the_bytes_received_before_the_server_ends_the_body(self, ada, error):
        class Ended(BytesIO):
            def read1(self, size=-1):
                block = super().read1(size)
                if not block:
                    raise error
                return block

        upload = service.create_upload(ada.id, length=len(CONTENT), name='a')

        with pytest.raises(type(error)):
            service.append(ada.id, upload.id, Ended(CONTENT[:10]), offset=0)

        assert service.get_upload(ada.id, upload.id).offset == 10

    @pytest.mark.parametrize('fault', [ServiceUnavailable(), OperationalError('', {}, OSError())])
    def test_writes_nothing_after_a_failure_of_storage_or_database(self, ada, fault):
        class Failing(BytesIO):
            def read1(self, size=-1):
                block = super().read1(size)
                if not block:
                    raise fault
                return block

        upload = service.create_upload(ada.id, length=len(CONTENT), name='a')

        with pytest.raises(type(fault)):
            service.append(ada.id, upload.id, Failing(CONTENT[:10]), offset=0)

        assert service.get_upload(ada.id, upload.id).offset == 0

    def test_continues_at_the_acknowledged_offset(self, client):
        url = create(client, content=CONTENT[:10]).location
        upload = db.session.scalar(select(Upload.id))
        # As if a process had been killed after it wrote bytes and before it stored the new offset.
        with PartialFile(upload).exclusive() as file:
            PartialFile(upload).write(file, 10, b'never acknowledged')

        last = patch(client, url, CONTENT[10:], offset=10)

        assert content_of(client, last.headers['X-File-Id']) == CONTENT

    def test_repeats_the_last_response(self, client):
        url = create(client, content=CONTENT).location

        again = patch(client, url, b'', offset=len(CONTENT))
        shown = head(client, url)

        assert again.status_code == 204
        assert shown.headers['Upload-Offset'] == shown.headers['Upload-Length']
        assert again.headers['X-File-Id'] == shown.headers['X-File-Id']
        assert len(data(client.get(FILES))['items']) == 1

    def test_syncs_the_bytes_before_it_acknowledges_them(self, client, monkeypatch):
        url = create(client).location
        patch(client, url, CONTENT[:5])
        happened, fsync = [], os.fsync

        def record(descriptor):
            happened.append(Path(f'/proc/self/fd/{descriptor}').readlink().parent.name)
            return fsync(descriptor)

        monkeypatch.setattr(os, 'fsync', record)
        move = 'project.files.service.resumable_uploads._save'
        real = resumable_uploads._save
        monkeypatch.setattr(move, lambda *a: happened.append('acknowledged') or real(*a))

        patch(client, url, CONTENT[5:10], 5)

        assert happened == ['partial', 'acknowledged']

    def test_acknowledges_bytes_while_the_chunk_arrives(self, ada, travel, monkeypatch):
        monkeypatch.setattr(resumable_uploads, 'CHECKPOINT_INTERVAL_SECONDS', 0)
        upload = service.create_upload(ada.id, length=len(CONTENT), name=None)
        seen = []

        class Slow(BytesIO):
            def read1(self, _size=-1):
                shown = service.get_upload(ada.id, upload.id)
                seen.append((shown.offset, shown.expires_at - now()))
                travel(hours=20)
                return super().read1(10)

        service.append(ada.id, upload.id, Slow(CONTENT), offset=0)

        # The last offset becomes visible only together with the finished file. Until then the
        # upload must not expire.
        assert [offset for offset, _ in seen] == [0, 10, 20, 30, 30]
        assert all(left > timedelta(0) for _, left in seen)

    def test_acknowledges_a_chunk_with_a_checksum_at_its_end_only(self, ada, monkeypatch):
        monkeypatch.setattr(resumable_uploads, 'CHECKPOINT_INTERVAL_SECONDS', 0)
        upload = service.create_upload(ada.id, length=len(CONTENT), name=None)
        seen = []

        class Slow(BytesIO):
            def read1(self, _size=-1):
                seen.append(service.get_upload(ada.id, upload.id).offset)
                return super().read1(10)

        wrong = Checksum('sha1', bytes(20))
        with pytest.raises(ChecksumMismatch):
            service.append(ada.id, upload.id, Slow(CONTENT), offset=0, checksum=wrong)

        assert set(seen) == {0}

    def test_loses_the_lease_even_at_a_checkpoint(self, ada, monkeypatch):
        monkeypatch.setattr(resumable_uploads, 'CHECKPOINT_INTERVAL_SECONDS', 0)
        upload = service.create_upload(ada.id, length=len(CONTENT), name=None)

        class Hung(BytesIO):
            def read1(self, _size=-1):
                if self.tell() == 10:
                    service.append(ada.id, upload.id, BytesIO(CONTENT[10:20]), offset=10)
                return super().read1(10)

        with pytest.raises(UploadLeaseLost):
            service.append(ada.id, upload.id, Hung(CONTENT[:10] + b'x' * 21), offset=0)

        assert service.get_upload(ada.id, upload.id).offset == 20
        done = service.append(ada.id, upload.id, BytesIO(CONTENT[20:]), offset=20)
        assert read(ada.id, done.file_id) == CONTENT

    def test_returns_404_for_other_users(self, as_user, client):
        url = create(client).location
        other = as_user()

        for response in (patch(other, url, b'x'), other.delete(url, headers=TUS_HEADERS)):
            fails_with(response, 'upload', status=404)
        assert head(other, url).status_code == 404
        assert head(client, url).headers['Upload-Offset'] == '0'

    def test_checks_the_quota_again(self, client, ada):
        url = create(client).location
        service.set_quota(ada.id, 3)

        response = patch(client, url, CONTENT)

        fails_with(response, 'quota', status=413)

    def test_checks_at_the_end_that_the_owner_is_active(self, ada, kept):
        upload = service.create_upload(ada.id, length=4, name='a')

        class Disabling(BytesIO):
            def read1(self, size=-1):
                if self.tell() == 2:
                    users.disable_user(ada.id)
                return super().read1(2)

        with pytest.raises(Unauthorized):
            service.append(ada.id, upload.id, Disabling(b'1234'), offset=0)

        assert kept() == []
        assert service.get_upload(ada.id, upload.id).offset == 0
