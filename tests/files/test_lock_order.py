"""Whoever takes several locks takes them in one order: nobody waits for who waits for them."""

from io import BytesIO

from project.core.errors import Fail
from project.files import service
from project.users import service as users
from tests.users.factories import UserFactory

from .storing import store

ROUNDS = 15


def done(call, *args, **options):
    """Return a function that calls and takes a refusal for an answer; anything else is a fault."""

    def run():
        try:
            call(*args, **options)
        except Fail as refusal:
            return refusal
        return None

    return run


class TestAtOnce:
    def test_a_file_is_replaced_restored_and_deleted(self, own_app, at_once):
        for _ in range(ROUNDS):
            ada = UserFactory()
            file = store(ada.id, b'x')

            found = at_once(
                done(service.replace_content, ada.id, file.id, BytesIO(b'yy')),
                done(service.delete_file, ada.id, file.id),
                done(service.replace_content, ada.id, file.id, BytesIO(b'zzz')),
                done(service.restore_version, ada.id, file.id, 1),
            )

            assert all(each is None or isinstance(each, Fail) for each in found), found
            assert service.get_usage(ada.id)['used'] == 0
            assert service.get_usage(ada.id)['reserved'] == 0

    def test_a_user_is_deleted_while_all_of_it_happens(self, own_app, at_once):
        for _ in range(ROUNDS):
            ada = UserFactory()
            file, other = store(ada.id, b'x'), store(ada.id, b'xx')
            upload = service.create_upload(ada.id, length=4, name='u')

            found = at_once(
                done(users.delete_user, ada.id),
                done(store, ada.id, b'q' * 10),
                done(service.delete_file, ada.id, file.id),
                done(service.append, ada.id, upload.id, BytesIO(b'1234'), offset=0),
                done(service.replace_content, ada.id, other.id, BytesIO(b'yy')),
            )

            assert all(each is None or isinstance(each, Fail) for each in found), found
            assert [fault for fault in service.check() if fault] == []
