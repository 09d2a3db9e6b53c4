"""Service: set, open and remove avatars, and delete their objects."""

import tempfile

import pytest

from project.core.images import ImageUnreadable
from project.core.storage import storage
from project.users import service
from project.users.errors import AvatarNotFound, AvatarTooLarge, UserNotFound
from project.users.service import open_avatar, remove_avatar, set_avatar
from tests.core.images.sample_images import decoded, sides
from tests.object_sizes import collect_released
from tests.users.factories import UserFactory

pytestmark = pytest.mark.usefixtures('free_image_slots')


def stored_keys():
    """Return the keys of the avatars in the storage."""
    root = storage().root
    return {str(path.relative_to(root)) for path in (root / 'avatars').rglob('*') if path.is_file()}


class TestSetAvatar:
    def test_stores_a_square_of_256_pixels(self, picture):
        user = UserFactory()

        profile = set_avatar(user.id, picture).profile

        assert stored_keys() == {profile.profile_image}
        _, stream = open_avatar(user.username)
        with stream:
            made = decoded(stream.read())
        assert (made.format, made.size, sides(made)) == ('WEBP', (256, 256), ('red', 'blue'))

    def test_releases_the_previous_avatar(self, app, picture):
        user = UserFactory()
        before = set_avatar(user.id, picture).profile.profile_image

        after = set_avatar(user.id, picture).profile.profile_image

        # The old avatar stays for a while: another request may be about to open it.
        assert stored_keys() == {before, after}
        collect_released()
        assert stored_keys() == {after}

    def test_stores_nothing_if_the_user_cannot_be_changed(self, app, picture, monkeypatch):
        user = UserFactory()
        monkeypatch.setattr('project.users.service.avatars._replace', lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            set_avatar(user.id, picture)

        assert stored_keys() == set()

    def test_stores_nothing_if_the_user_is_deleted_during_the_decoding(
        self, app, picture, monkeypatch
    ):
        user = UserFactory()
        monkeypatch.setattr(
            'project.users.service.avatars.resize_to_webp',
            lambda *_, **__: service.delete_user(user.id) or b'RIFF',
        )

        with pytest.raises(UserNotFound):
            set_avatar(user.id, picture)

        collect_released()
        assert stored_keys() == set()

    def test_rejects_an_unreadable_image_and_keeps_the_previous_avatar(self, app, picture):
        user = UserFactory()
        before = set_avatar(user.id, picture).profile.profile_image

        with tempfile.TemporaryFile() as file:
            file.write(b'<svg/>')
            with pytest.raises(ImageUnreadable):
                set_avatar(user.id, file)

        collect_released()
        assert stored_keys() == {before}

    def test_rejects_more_than_five_mebibytes(self):
        with tempfile.TemporaryFile() as file:
            file.truncate(5 * 1024 * 1024 + 1)
            with pytest.raises(AvatarTooLarge):
                set_avatar(UserFactory().id, file)

    def test_does_not_change_the_version_of_the_user(self, picture):
        user = UserFactory()

        set_avatar(user.id, picture)

        assert service.get_user(user.id).version == 1


class TestRemoveAvatar:
    def test_removes_the_avatar_and_releases_its_object(self, app, picture):
        user = UserFactory()
        set_avatar(user.id, picture)

        remove_avatar(user.id)

        with pytest.raises(AvatarNotFound):
            open_avatar(user.username)
        collect_released()
        assert stored_keys() == set()

    def test_rejects_a_user_without_an_avatar(self):
        with pytest.raises(AvatarNotFound):
            remove_avatar(UserFactory().id)


class TestDeleteUser:
    def test_deletes_the_avatar(self, app, picture):
        user = UserFactory()
        set_avatar(user.id, picture)

        service.delete_user(user.id)

        collect_released()
        assert stored_keys() == set()
