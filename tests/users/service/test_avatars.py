"""Service: set, open and remove avatars, and delete their bytes."""

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


def kept():
    """Return the keys of the pictures that the storage has."""
    root = storage().root
    return {str(path.relative_to(root)) for path in (root / 'avatars').rglob('*') if path.is_file()}


class TestSetAvatar:
    def test_keeps_a_square_of_256_pixels(self, picture):
        user = UserFactory()

        profile = set_avatar(user.id, picture)

        assert kept() == {profile.profile_image}
        _, stream = open_avatar(user.username)
        with stream:
            made = decoded(stream.read())
        assert (made.format, made.size, sides(made)) == ('WEBP', (256, 256), ('red', 'blue'))

    def test_leaves_nothing_of_the_one_before(self, app, picture):
        user = UserFactory()
        before = set_avatar(user.id, picture).profile_image

        after = set_avatar(user.id, picture).profile_image

        # Somebody may be about to open what they have just read of.
        assert kept() == {before, after}
        collect_released()
        assert kept() == {after}

    def test_stores_nothing_if_the_user_cannot_be_changed(self, app, picture, monkeypatch):
        user = UserFactory()
        monkeypatch.setattr('project.users.service.avatars._replace', lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            set_avatar(user.id, picture)

        assert kept() == set()

    def test_leaves_nothing_of_a_user_who_was_deleted_meanwhile(self, app, picture, monkeypatch):
        user = UserFactory()
        monkeypatch.setattr(
            'project.users.service.avatars.resize_to_webp',
            lambda *_, **__: service.delete_user(user.id) or b'RIFF',
        )

        with pytest.raises(UserNotFound):
            set_avatar(user.id, picture)

        collect_released()
        assert kept() == set()

    def test_rejects_what_is_no_image_and_keeps_the_one_before(self, app, picture):
        user = UserFactory()
        before = set_avatar(user.id, picture).profile_image

        with tempfile.TemporaryFile() as file:
            file.write(b'<svg/>')
            with pytest.raises(ImageUnreadable):
                set_avatar(user.id, file)

        collect_released()
        assert kept() == {before}

    def test_rejects_more_than_five_mebibytes(self):
        with tempfile.TemporaryFile() as file:
            file.truncate(5 * 1024 * 1024 + 1)
            with pytest.raises(AvatarTooLarge):
                set_avatar(UserFactory().id, file)

    def test_changes_nothing_that_others_edit(self, picture):
        user = UserFactory()

        set_avatar(user.id, picture)

        assert service.get_user(user.id).version == 1


class TestRemoveAvatar:
    def test_takes_it_away_and_its_bytes_soon(self, app, picture):
        user = UserFactory()
        set_avatar(user.id, picture)

        remove_avatar(user.id)

        with pytest.raises(AvatarNotFound):
            open_avatar(user.username)
        collect_released()
        assert kept() == set()

    def test_rejects_where_there_is_none(self):
        with pytest.raises(AvatarNotFound):
            remove_avatar(UserFactory().id)


class TestDeleteUser:
    def test_leaves_no_picture(self, app, picture):
        user = UserFactory()
        set_avatar(user.id, picture)

        service.delete_user(user.id)

        collect_released()
        assert kept() == set()
