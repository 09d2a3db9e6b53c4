"""Integration: concurrent changes and deletions of files and their owner do not deadlock."""

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
    """Return the unexpected exceptions, which are not an `ApiError`."""
    return [
        each for each in found if isinstance(each, Exception) and not isinstance(each, ApiError)
    ]


@pytest.mark.slow('threads repeat operations that could deadlock')
class TestConcurrentOperations:
    def test_replace_restore_and_delete_a_file_without_deadlock(self, own_app, run_concurrently):
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

    def test_delete_the_user_during_writes_without_deadlock(self, own_app, run_concurrently):
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
