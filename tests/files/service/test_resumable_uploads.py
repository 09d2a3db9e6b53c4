"""Service: append to one upload from several requests, and recover when its end fails."""

import hashlib
from io import BytesIO

import pytest

from project.core.stored_objects import Publication
from project.files import service
from project.files.errors import OffsetMismatch, UploadLeaseLost
from project.files.service import resumable_uploads
from tests.files.file_io import left
from tests.files.tus_requests import CONTENT
from tests.users.factories import UserFactory


class TestFailedEnd:
    def test_lets_nobody_write_to_what_was_nearly_kept(self, ada, kept, var, monkeypatch):
        """The commit fails when the bytes have their key, and others come in their stead."""
        upload = service.create_upload(ada.id, length=10, name='a')
        service.append(ada.id, upload.id, BytesIO(b'12345'), offset=0)
        with monkeypatch.context() as patch:
            patch.setattr(Publication, '_save', failing_after(Publication._save))
            # As if the process had been killed: it removes nothing.
            patch.setattr(Publication, 'close', lambda _: None)
            with pytest.raises(ZeroDivisionError):
                service.append(ada.id, upload.id, BytesIO(b'67890'), offset=5)
        [name] = kept()

        assert service.get_upload(ada.id, upload.id).offset == 5
        done = service.append(ada.id, upload.id, BytesIO(b'other'), offset=5)

        assert content(ada, done.file_id) == b'12345other'
        orphan = var / 'storage' / 'blobs' / name[:2] / name[2:4] / name
        assert hashlib.sha256(orphan.read_bytes()).hexdigest() == name
        assert left(var) == []


def failing_after(step):
    """Return a step that fails after it was done."""

    def fail(*args):
        step(*args)
        raise ZeroDivisionError

    return fail


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

    def read1(self, size=-1):
        return super().read1(min(size, 1000))
