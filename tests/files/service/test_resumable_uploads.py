"""Service: append to an upload concurrently, and recover from failed completion."""

import hashlib
from io import BytesIO

import pytest

from project.core.stored_objects import Publication
from project.files import service
from project.files.errors import OffsetMismatch, UploadLeaseLost
from project.files.service import resumable_uploads
from tests.files.file_io import partial_files
from tests.files.tus_requests import CONTENT
from tests.users.factories import UserFactory


class TestFailedCompletion:
    def test_does_not_write_to_bytes_that_have_a_key(self, ada, kept, var, monkeypatch):
        """The first completion stores the bytes under their key, and then fails to commit.

        The client then sends the last five bytes again, with other content.
        """
        upload = service.create_upload(ada.id, length=10, name='a')
        service.append(ada.id, upload.id, BytesIO(b'12345'), offset=0)
        with monkeypatch.context() as patch:
            patch.setattr(Publication, '_save', failing_after(Publication._save))
            # As if the process had been killed: `close` must not delete the stored bytes.
            patch.setattr(Publication, 'close', lambda _: None)
            with pytest.raises(ZeroDivisionError):
                service.append(ada.id, upload.id, BytesIO(b'67890'), offset=5)
        [name] = kept()

        assert service.get_upload(ada.id, upload.id).offset == 5
        done = service.append(ada.id, upload.id, BytesIO(b'other'), offset=5)

        assert content(ada, done.file_id) == b'12345other'
        orphan = var / 'storage' / 'blobs' / name[:2] / name[2:4] / name
        assert hashlib.sha256(orphan.read_bytes()).hexdigest() == name
        assert partial_files(var) == []


def failing_after(step):
    """Return a function that calls `step` and then raises an error."""

    def fail(*args):
        step(*args)
        raise ZeroDivisionError

    return fail


def content(owner, file_id):
    """Return the bytes of a user's file."""
    _, stream = service.open_content(owner.id, file_id)
    with stream:
        return stream.read()


class TestUploadLease:
    def test_stores_no_bytes_of_an_older_request(self, own_app, ada):
        """A request pauses. In the meantime a newer request appends bytes to the same upload."""
        with own_app.app_context():
            ada = UserFactory()
            upload = service.create_upload(ada.id, length=len(CONTENT), name='a')

            class Late(BytesIO):
                """The body of one request. After five bytes, `read1` sends another request."""

                def read1(self, size=-1):
                    if self.tell() == 0:
                        return super().read1(5)
                    if self.tell() == 5:
                        service.append(ada.id, upload.id, BytesIO(CONTENT[:20]), offset=0)
                    return super().read1(5)

            with pytest.raises(UploadLeaseLost):
                service.append(ada.id, upload.id, Late(b'x' * 20), offset=0)

            done = service.append(ada.id, upload.id, BytesIO(CONTENT[20:]), offset=20)
            _, stream = service.open_content(ada.id, done.file_id)
            with stream:
                assert stream.read() == CONTENT

    def test_compares_the_offset_when_it_takes_the_lease(self, ada, monkeypatch):
        upload = service.create_upload(ada.id, length=10, name='a')
        service.append(ada.id, upload.id, BytesIO(b'12345'), offset=0)
        monkeypatch.setattr(resumable_uploads, 'get_upload', lambda *_: upload)

        with pytest.raises(OffsetMismatch):
            service.append(ada.id, upload.id, BytesIO(b'xxxxx'), offset=0)

    def test_never_mixes_the_bytes_of_concurrent_requests(self, own_app, run_concurrently):
        ada = UserFactory()
        chunks = [bytes([number]) * 100_000 for number in range(1, 9)]
        upload = service.create_upload(ada.id, length=100_000, name='a')

        run_concurrently(*(
            lambda chunk=chunk: service.append(ada.id, upload.id, SmallReads(chunk), offset=0)
            for chunk in chunks
        ))  # fmt: skip

        done = service.get_upload(ada.id, upload.id)
        assert done.file_id is not None
        _, stream = service.open_content(ada.id, done.file_id)
        with stream:
            assert stream.read() in chunks
        usage = service.get_usage(ada.id)
        assert (usage['used'], usage['reserved'], usage['files']) == (100_000, 0, 1)


class SmallReads(BytesIO):
    """A stream of which each read returns at most 1,000 bytes."""

    def read1(self, size=-1):
        return super().read1(min(size, 1000))
