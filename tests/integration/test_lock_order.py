"""Integration: change, restore and delete files and their owner at once without a deadlock."""

from functools import partial
from io import BytesIO

import pytest

from project.core.errors import ApiError
from project.files import service
from project.users import service as users
from tests.concurrency import RACE_ROUNDS
from tests.files.file_io import store
from tests.users.factories import UserFactory


def failed(found):
    """Return what ended in anything but an answer or a refusal."""
    return [
        each for each in found if isinstance(each, Exception) and not isinstance(each, ApiError)
    ]


@pytest.mark.slow('threads repeat what may deadlock')
class TestAtOnce:
    def test_a_file_is_replaced_restored_and_deleted(self, own_app, run_concurrently):
        for _ in range(RACE_ROUNDS):
            ada = UserFactory()
            file = store(ada.id, b'x')

            found = run_concurrently(
                partial(service.replace_content, ada.id, file.id, BytesIO(b'yy')),
                partial(service.delete_file, ada.id, file.id),
                partial(service.replace_content, ada.id, file.id, BytesIO(b'zzz')),
                partial(service.restore_version, ada.id, file.id, 1),
            )

            assert failed(found) == []
            assert service.get_usage(ada.id)['used'] == 0
            assert service.get_usage(ada.id)['reserved'] == 0

    def test_a_user_is_deleted_while_all_of_it_happens(self, own_app, run_concurrently):
        for _ in range(RACE_ROUNDS):
            ada = UserFactory()
            file, other = store(ada.id, b'x'), store(ada.id, b'xx')
            upload = service.create_upload(ada.id, length=4, name='u')

            found = run_concurrently(
                partial(users.delete_user, ada.id),
                partial(store, ada.id, b'q' * 10),
                partial(service.delete_file, ada.id, file.id),
                partial(service.append, ada.id, upload.id, BytesIO(b'1234'), offset=0),
                partial(service.replace_content, ada.id, other.id, BytesIO(b'yy')),
            )

            assert failed(found) == []
            assert [fault for fault in service.check_integrity() if fault] == []
