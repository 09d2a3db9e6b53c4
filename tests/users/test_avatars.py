"""Avatars: what becomes of what is sent, who sees it, and that nothing is left over."""

import re
import tempfile

import pytest
from PIL import Image
from sqlalchemy import select

from project.core import images
from project.core.database.session import db
from project.core.images import ImageUnreadable
from project.core.storage import storage
from project.users import object_storage, service
from project.users.errors import AvatarNotFound, AvatarTooLarge, UserNotFound
from project.users.models import User
from project.users.service import open_avatar, remove_avatar, set_avatar
from tests.core.images.sample_images import decoded, encoded, halves, sides
from tests.pending_tasks import run_tasks_later

from .factories import AdminFactory, UserFactory

ME = '/api/v1/users/me/avatar'
PICTURE = encoded(halves()).getvalue()


@pytest.fixture
def picture():
    """An image as it comes in."""
    with tempfile.TemporaryFile() as file:
        file.write(encoded(halves(), 'JPEG').getvalue())
        yield file


@pytest.fixture(autouse=True)
def alone(app, monkeypatch):
    """Decode at once, however many processes test beside this one."""
    monkeypatch.setitem(app.config, 'IMAGES_CONCURRENCY', 64)


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
        run_tasks_later(app)
        assert kept() == {after}

    def test_leaves_nothing_where_it_died_before_anybody_knew(self, app, picture, monkeypatch):
        user = UserFactory()
        monkeypatch.setattr('project.users.service.avatars._replace', lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            set_avatar(user.id, picture)
        assert len(kept()) == 1

        run_tasks_later(app)

        assert kept() == set()

    def test_leaves_nothing_of_a_user_who_was_deleted_meanwhile(self, app, picture, monkeypatch):
        user = UserFactory()
        monkeypatch.setattr(
            'project.users.service.avatars.resize_to_webp',
            lambda *_, **__: service.delete_user(user.id) or b'RIFF',
        )

        with pytest.raises(UserNotFound):
            set_avatar(user.id, picture)

        run_tasks_later(app)
        assert kept() == set()

    def test_rejects_what_is_no_image_and_keeps_the_one_before(self, app, picture):
        user = UserFactory()
        before = set_avatar(user.id, picture).profile_image

        with tempfile.TemporaryFile() as file:
            file.write(b'<svg/>')
            with pytest.raises(ImageUnreadable):
                set_avatar(user.id, file)

        run_tasks_later(app)
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
        run_tasks_later(app)
        assert kept() == set()

    def test_rejects_where_there_is_none(self):
        with pytest.raises(AvatarNotFound):
            remove_avatar(UserFactory().id)


class TestDeleteUser:
    def test_leaves_no_picture(self, app, picture):
        user = UserFactory()
        set_avatar(user.id, picture)

        service.delete_user(user.id)

        run_tasks_later(app)
        assert kept() == set()


def send(client, content, name='me.jpg'):
    """Send a picture as a browser's form does: whole, for Werkzeug's client leaves files open."""
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = b'--cut\r\n' + head.encode() + content + b'\r\n--cut--\r\n'
    return client.put(ME, data=body, content_type='multipart/form-data; boundary=cut')


class TestAvatarUpdate:
    def test_answers_with_the_profile_which_says_where_it_is(self, app, as_user):
        user = UserFactory(username='ada')

        response = send(as_user(user), encoded(halves(), 'PNG').getvalue())

        assert response.status_code == 200
        assert response.json['data']['username'] == 'ada'
        address = 'http://localhost/api/v1/users/ada/avatar'
        assert re.sub(r':\d+', '', response.json['data']['profile_image']) == address
        shown = as_user(user).get('/api/v1/users/me/profile').json['data']
        assert shown['profile_image'] == response.json['data']['profile_image']

    def test_goes_by_the_bytes_and_not_by_what_they_are_called(self, as_user):
        client = as_user(UserFactory())

        assert send(client, encoded(halves(), 'GIF').getvalue(), 'evil.svg').status_code == 200
        refused = send(client, encoded(halves(), 'TIFF').getvalue(), 'nice.png')

        assert refused.status_code == 422
        assert refused.json['data'] == {'file': ['Must be an image: JPEG, PNG, GIF, WebP or AVIF']}

    def test_rejects_a_bomb(self, as_user):
        response = send(as_user(UserFactory()), encoded(Image.new('1', (5001, 5000))).getvalue())

        assert (response.status_code, list(response.json['data'])) == (422, ['file'])

    def test_rejects_a_form_without_a_picture(self, as_user):
        response = as_user(UserFactory()).put(
            ME, data={'name': 'me'}, content_type='multipart/form-data'
        )

        assert response.status_code == 422
        assert 'file' in response.json['data']

    def test_rejects_what_is_too_large_to_be_read(self, as_user):
        client = as_user(UserFactory())

        response = send(client, bytes(6 * 1024 * 1024))

        assert (response.status_code, list(response.json['data'])) == (413, ['size'])

    def test_takes_the_largest_there_may_be(self, as_user):
        noise = encoded(Image.effect_noise((200, 200), 90)).getvalue()
        padded = noise + bytes(5 * 1024 * 1024 - len(noise))

        assert send(as_user(UserFactory()), padded).status_code == 200

    def test_says_when_to_retry_where_no_slot_is_free(self, app, as_user, monkeypatch):
        monkeypatch.setitem(app.config, 'IMAGES_CONCURRENCY', 0)
        monkeypatch.setattr(
            images.resize_to_webp, '__kwdefaults__', {'square': False, 'timeout': 0.0}
        )

        response = send(as_user(UserFactory()), PICTURE)

        assert response.status_code == 503
        assert int(response.headers['Retry-After']) >= 1


class TestAvatarDelete:
    def test_takes_it_away(self, as_user):
        client = as_user(UserFactory())
        send(client, PICTURE)

        assert client.delete(ME).status_code == 200
        gone = client.delete(ME)
        assert (gone.status_code, list(gone.json['data'])) == (404, ['avatar'])
        assert client.get('/api/v1/users/me/profile').json['data']['profile_image'] is None


class TestAvatarShow:
    def test_shows_ones_own_and_keeps_it_out_of_shared_caches(self, as_user):
        client = as_user(UserFactory())
        send(client, PICTURE)

        response = client.get(ME, buffered=True)

        assert (response.status_code, response.mimetype) == (200, 'image/webp')
        assert response.headers['Cache-Control'] == 'private, no-cache'
        assert decoded(response.data).size == (256, 256)

    def test_is_missing_where_there_is_none(self, as_user):
        response = as_user(UserFactory()).get(ME)

        assert (response.status_code, list(response.json['data'])) == (404, ['avatar'])


class TestUserAvatar:
    def test_shows_anybodys_to_anybody_on_any_page(self, as_user, client):
        send(as_user(UserFactory(username='ada')), PICTURE)

        response = client.get('/api/v1/users/ada/avatar', buffered=True)

        assert (response.status_code, response.mimetype) == (200, 'image/webp')
        assert response.headers['Cross-Origin-Resource-Policy'] == 'cross-origin'
        assert response.headers['X-Content-Type-Options'] == 'nosniff'
        assert "default-src 'none'" in response.headers['Content-Security-Policy']

    def test_is_not_sent_again_to_who_has_it(self, as_user, client):
        mine = as_user(UserFactory(username='ada'))
        send(mine, PICTURE)
        etag = client.get('/api/v1/users/ada/avatar', buffered=True).headers['ETag']

        same = client.get(
            '/api/v1/users/ada/avatar', headers={'If-None-Match': etag}, buffered=True
        )
        send(mine, PICTURE)
        other = client.get(
            '/api/v1/users/ada/avatar', headers={'If-None-Match': etag}, buffered=True
        )

        assert (same.status_code, other.status_code) == (304, 200)

    @pytest.mark.parametrize('name', ['nobody', 'gone', 'plain'])
    def test_is_missing_of_nobody_the_disabled_and_who_has_none(self, as_user, client, name):
        AdminFactory()
        gone = UserFactory(username='gone')
        send(as_user(gone), PICTURE)
        service.disable_user(gone.id)
        UserFactory(username='plain')

        response = client.get(f'/api/v1/users/{name}/avatar')

        assert response.status_code == 404
        assert list(response.json['data']) == ['avatar' if name == 'plain' else 'username']


def test_no_picture_lies_where_another_could(picture):
    keys = {object_storage.new_avatar_key(1) for _ in range(1000)}

    assert len(keys) == 1000
    assert db.session.scalars(select(User.avatar).where(User.avatar.is_not(None))).all() == []
