"""The storage of objects on an S3 server."""

import os
import time
from functools import partial
from hashlib import sha256

import pytest
import requests

from project.core.errors import ServiceUnavailable
from project.core.storage import FallbackStorage, LocalStorage, copy_all, storage_from_url
from project.files import service as files
from tests.concurrency import separate_app
from tests.interrupted_writes import (
    CASES,
    OPERATIONS,
    ROUNDS,
    Writer,
    assert_consistent,
    collect_everything,
    interrupt,
)
from tests.kit.storage import contents, put, read
from tests.large_content import MIB, large_content
from tests.listeners import listener
from tests.object_sizes import sizes_in_storage
from tests.reliability.harness import IS_LONG
from tests.seaweed import BUCKET, running_seaweed
from tests.users.factories import UserFactory

pytestmark = pytest.mark.servers

# Only these faults: a rejection and a database error are handled like an exception. Tests of the
# local storage run all faults.
S3_CASES = CASES if IS_LONG else [case for case in CASES if case[1] in ('exception', 'kill')]

LARGE = large_content(40 * MIB)  # uploaded in three parts


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    """Run an S3 server."""
    with running_seaweed(tmp_path_factory.mktemp('seaweed')) as server:
        yield server


@pytest.fixture
def place(app, server, monkeypatch, tmp_path):
    """Return a storage on the S3 server that contains no objects."""
    for name, value in server.keys.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(app.config, 'STORAGE_SPOOL', str(tmp_path / 'spool'))
    place = storage_from_url(app, server.url)
    # Delete existing objects before the test: other tests leave objects in the same bucket.
    for listed in list(place.iterate_names()):
        place.delete(listed.name)
    return place


class TestSave:
    @pytest.mark.parametrize('data', [b'', b'hello', LARGE], ids=['nothing', 'small', 'large'])
    def test_stores_the_bytes_under_a_key(self, place, data):
        put(place, 'ab/cd', data)

        assert read(place, 'ab/cd') == data
        assert place.size('ab/cd') == len(data)
        assert list(place.incoming.iterdir()) == []

    def test_replaces_an_object(self, place):
        put(place, 'a', b'old')
        put(place, 'a', b'new')

        assert read(place, 'a') == b'new'

    def test_stores_an_object_that_was_deleted_after_its_preparation(self, place):
        with place.create_staged() as staged:
            staged.write(b'hello')
            staged.prepare('a')
            place.delete('a')
            staged.save('a')

        assert read(place, 'a') == b'hello'

    def test_rejects_an_invalid_key(self, place):
        with pytest.raises(ValueError, match='not a storage key'), place.create_staged() as staged:
            staged.prepare('../a')


class TestOpen:
    def test_rejects_a_missing_object(self, place):
        with pytest.raises(ServiceUnavailable):
            place.open('none')
        assert not place.exists('none')

    def test_reads_from_any_position(self, place):
        put(place, 'a', LARGE)

        with place.open('a') as stored:
            stored.seek(30_000_000)
            assert stored.read(1000) == LARGE[30_000_000:30_001_000]
            stored.seek(-5, os.SEEK_END)
            assert stored.read() == LARGE[-5:]

    def test_continues_after_a_lost_connection(self, place):
        put(place, 'a', LARGE)

        with place.open('a') as stored:
            begun = stored.read(1_000_000)
            # The server has closed the connection.
            stored._body.close()
            assert begun + stored.read() == LARGE

    def test_returns_a_local_file(self, place):
        put(place, 'a', LARGE)

        with place.as_local_file('a') as file:
            assert os.fstat(file.fileno()).st_size == len(LARGE)


class TestIterateNames:
    def test_yields_the_objects_below_a_prefix(self, place):
        for key in ('ab/1', 'ab/2', 'abc/3'):
            put(place, key, b'x')

        assert list(place.iterate_names('ab')) == [('ab/1', 1, True), ('ab/2', 1, True)]
        assert [listed.name for listed in place.iterate_names()] == ['ab/1', 'ab/2', 'abc/3']
        assert [listed.name for listed in place.iterate_names(after='ab/1')] == ['ab/2', 'abc/3']


class TestDelete:
    def test_deletes_an_object_and_ignores_a_missing_one(self, place):
        put(place, 'a', b'1')

        place.delete('a')
        place.delete('a')

        assert not place.exists('a')


class TestDeleteAbandoned:
    def test_aborts_multipart_uploads_after_a_day(self, place, monkeypatch):
        def begun():
            found = place._client.list_multipart_uploads(Bucket=BUCKET)
            return len(found.get('Uploads', ()))

        upload = place._client.create_multipart_upload(Bucket=BUCKET, Key='some/where/a')
        place._client.upload_part(
            Bucket=BUCKET, Key='some/where/a', UploadId=upload['UploadId'], PartNumber=1, Body=b'x'
        )

        assert list(place.delete_abandoned()) == []
        monkeypatch.setattr('project.core.storage.s3.ABANDONED_AFTER_SECONDS', -60)
        assert list(place.delete_abandoned(dry_run=True)) == [('a', 0, True)]
        assert begun() == 1
        assert list(place.delete_abandoned()) == [('a', 0, True)]
        assert begun() == 0


class TestInterruptedWrites:
    def test_leave_consistent_objects_and_rows(self, server, tmp_path, monkeypatch):
        """An error or a kill interrupts the operation after each of its steps.

        Afterwards, one garbage collection must delete all unused objects.
        """
        for name, value in server.keys.items():
            monkeypatch.setenv(name, value)
        for module in ('users.service.avatars', 'files.service.thumbnails'):
            monkeypatch.setattr(f'project.{module}.resize_to_webp', lambda *_, **__: b'RIFF')
        with separate_app(tmp_path) as app:
            app.config.update(STORAGE_URL=server.url, STORAGE_SPOOL=str(tmp_path / 'spool'))
            app.extensions['storage'] = storage_from_url(app, server.url)
            user = UserFactory()
            files.set_quota(user.id, 10**9)
            writer = Writer(user.id)
            for operation in list(OPERATIONS) * ROUNDS:
                for step, fault in S3_CASES:
                    interrupt(app, writer, operation, step, fault)
                OPERATIONS[operation](writer)

            collect_everything()

            assert_consistent()
            assert len(sizes_in_storage()) > len(OPERATIONS)


class TestPresignedUrl:
    def test_returns_a_url_that_needs_no_credentials(self, place):
        put(place, 'a', LARGE)

        url = place.presigned_url(
            'a', mimetype='image/png', disposition='attachment; filename="a b"'
        )
        answer = requests.get(url, headers={'Range': 'bytes=5-9'}, timeout=10)

        assert (answer.status_code, answer.content) == (206, LARGE[5:10])
        assert answer.headers['Content-Type'] == 'image/png'
        assert answer.headers['Content-Disposition'] == 'attachment; filename="a b"'
        assert requests.get(url.partition('?')[0], timeout=10).status_code == 403


class TestCheckHealth:
    def test_leaves_no_files_or_objects(self, place):
        place.check_health()

        assert list(place.incoming.iterdir()) == []
        assert contents(place) == {}

    def test_raises_if_the_server_does_not_respond(self, app, place, server):
        url = f's3://{BUCKET}?endpoint=http://127.0.0.1:1'

        for function in (storage_from_url(app, url).check_health, storage_from_url(app, url).open):
            arguments = ('a',) if function.__name__ == 'open' else ()
            with pytest.raises(ServiceUnavailable):
                function(*arguments)

    def test_raises_if_the_bucket_does_not_exist(self, app, place, server):
        other = storage_from_url(app, server.url.replace(BUCKET, 'other-bucket'))

        with pytest.raises(ServiceUnavailable):
            other.check_health()


class TestCopyAll:
    def test_copies_all_objects_and_continues_after_an_interruption(self, place, tmp_path):
        source = LocalStorage(tmp_path / 'source')
        kept = {'blobs/ab/1': LARGE, 'avatars/1/2': b'picture', 'exports/3': b''}
        for key, data in kept.items():
            put(source, key, data)
        with source.create_staged() as staged:
            staged.write(b'on its way')
            first = next(copy_all(source, place))
            assert first.outcome == 'moved'

            found = {moved.key: moved.outcome for moved in copy_all(source, place)}

        assert found == dict.fromkeys(kept, 'moved') | {first.key: 'there'}
        assert contents(place) == contents(source) == kept

    def test_copies_to_a_local_storage(self, place, tmp_path):
        put(place, 'blobs/ab/1', LARGE)
        target = LocalStorage(tmp_path / 'target')

        assert [moved.outcome for moved in copy_all(place, target)] == ['moved']
        assert sha256(read(target, 'blobs/ab/1')).digest() == sha256(LARGE).digest()


class TestTransactionLimits:
    @pytest.mark.slow('waits for a server that never answers')
    def test_raises_before_other_transactions_give_up(self, app, place):
        with listener() as port:
            silent = storage_from_url(app, f's3://{BUCKET}?endpoint=http://127.0.0.1:{port}')
            began = time.monotonic()

            for request in (partial(silent.can_open, in_transaction=True), silent.delete):
                with pytest.raises(ServiceUnavailable):
                    request('a')

        assert time.monotonic() - began < 2 * 5


class TestFallbackStorage:
    def test_reads_objects_that_are_not_copied_yet_from_the_old_storage(self, place, tmp_path):
        old = LocalStorage(tmp_path / 'old')
        put(old, 'a', b'old')
        both = FallbackStorage(place, old)

        put(both, 'b', b'new')

        assert (read(both, 'a'), read(both, 'b')) == (b'old', b'new')
        assert [listed.name for listed in both.iterate_names()] == ['a', 'b']
        assert (old.exists('b'), place.exists('b')) == (False, True)
        both.delete('a')
        assert not old.exists('a')
