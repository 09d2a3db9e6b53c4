"""Service: reserve a part of the quota for an upload, and release unused reservations."""

import pytest
from sqlalchemy import select

from project.core.database.session import db
from project.core.errors import Unauthorized
from project.files import blobs, service
from project.files.errors import QuotaExceeded
from project.files.models import Upload
from project.files.service.upload_reservations import release_expired_reservations
from project.users import service as users
from tests.files.file_io import store


class TestOpenUpload:
    def test_reserves_bytes_before_the_first_write(self, ada):
        service.set_quota(ada.id, 10)

        with service.open_upload(ada.id, least=7):
            assert service.get_usage(ada.id)['reserved'] == 7
            with pytest.raises(QuotaExceeded):
                service.open_upload(ada.id, least=4)

        assert service.get_usage(ada.id)['reserved'] == 0

    def test_extends_the_reservation_for_an_unknown_length(self, ada):
        service.set_quota(ada.id, 100)

        with service.open_upload(ada.id) as upload:
            upload.write(b'x' * 60)
            # The reservation usually grows in steps of 64 MiB, which would exceed this quota.
            assert service.get_usage(ada.id)['reserved'] == 60
            with pytest.raises(QuotaExceeded):
                upload.write(b'x' * 41)

    def test_commits_the_reservation_of_a_stored_file(self, ada):
        store(ada.id, b'12345')

        usage = service.get_usage(ada.id)
        assert (usage['used'], usage['reserved']) == (5, 0)
        assert db.session.scalars(select(Upload.id)).all() == []

    def test_is_released_by_the_task_when_its_process_was_killed(self, ada, travel):
        # As if the process had been killed: only the staging file is deleted, the reservation
        # stays.
        blobs.BlobWriter.close(service.open_upload(ada.id, least=7))

        travel(minutes=1)
        release_expired_reservations()
        assert service.get_usage(ada.id)['reserved'] == 7
        travel(minutes=1, seconds=1)
        release_expired_reservations()
        release_expired_reservations()
        assert service.get_usage(ada.id)['reserved'] == 0

    def test_is_released_within_a_day_if_a_clock_was_ahead(self, ada, travel):
        travel(days=7305)
        blobs.BlobWriter.close(service.open_upload(ada.id, least=7))
        travel(days=-7305)

        release_expired_reservations()
        assert service.get_usage(ada.id)['reserved'] == 7
        travel(days=1)
        release_expired_reservations()

        assert service.get_usage(ada.id)['reserved'] == 0

    def test_does_not_expire_while_bytes_arrive(self, ada, travel, monkeypatch):
        monkeypatch.setattr('project.files.blobs.RESERVATION_REFRESH_SECONDS', -1.0)

        with service.open_upload(ada.id, least=7) as upload:
            for _ in range(7):
                travel(minutes=1)
                upload.write(b'x')
                release_expired_reservations()
            assert service.get_usage(ada.id)['reserved'] == 7

    def test_reserves_again_after_the_reservation_was_released(self, ada, travel):
        service.set_quota(ada.id, 10)
        with service.open_upload(ada.id, least=4) as upload:
            travel(minutes=3)
            release_expired_reservations()
            upload.write(b'123456')
            assert service.get_usage(ada.id)['reserved'] == 6

            assert service.store_upload(ada.id, upload).size == 6

        usage = service.get_usage(ada.id)
        assert (usage['used'], usage['reserved']) == (6, 0)

    def test_rejects_a_deleted_user(self, ada):
        users.delete_user(ada.id)

        with pytest.raises(Unauthorized):
            service.open_upload(ada.id, least=1)
