"""HTTP: upload, show and delete avatars."""

import re

import pytest
from PIL import Image

from project.core import images
from project.users import service
from tests.core.images.decoders import disguised
from tests.core.images.sample_images import decoded, encoded, halves
from tests.kit.responses import data, fails_with, reasons
from tests.users.factories import AdminFactory, UserFactory

pytestmark = pytest.mark.usefixtures('free_image_slots')

ME = '/api/v1/users/me/avatar'
PICTURE = encoded(halves()).getvalue()


def send(client, content, name='me.jpg'):
    """Upload a picture as a browser's form does.

    The body is built here, because Werkzeug's client leaves files open.
    """
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = b'--cut\r\n' + head.encode() + content + b'\r\n--cut--\r\n'
    return client.put(ME, data=body, content_type='multipart/form-data; boundary=cut')


class TestAvatarUpdate:
    def test_returns_the_profile_with_the_url_of_the_avatar(self, app, as_user):
        user = UserFactory(username='ada')

        response = send(as_user(user), encoded(halves(), 'PNG').getvalue())

        assert (response.status_code, response.location) == (201, ME)
        assert data(response)['username'] == 'ada'
        url = 'http://localhost/api/v1/users/ada/avatar'
        assert re.sub(r':\d+', '', data(response)['profile_image']) == url
        shown = data(as_user(user).get('/api/v1/users/me/profile'))
        assert shown['profile_image'] == data(response)['profile_image']

    def test_detects_the_type_from_the_content_and_not_the_name(self, as_user):
        client = as_user()

        assert send(client, encoded(halves(), 'GIF').getvalue(), 'evil.svg').status_code == 201
        response = send(client, encoded(halves(), 'TIFF').getvalue(), 'nice.png')

        reason = 'Must be an image: JPEG, PNG, GIF, WebP or AVIF'
        fails_with(response, 'file', reason=reason)

    def test_rejects_a_decompression_bomb(self, as_user):
        response = send(as_user(), encoded(Image.new('1', (5001, 5000))).getvalue())

        fails_with(response, 'file')

    def test_rejects_a_form_without_a_picture(self, as_user):
        response = as_user().put(ME, data={'name': 'me'}, content_type='multipart/form-data')

        assert response.status_code == 422
        assert 'file' in reasons(response)

    def test_rejects_a_body_that_is_too_large(self, as_user):
        client = as_user()

        response = send(client, bytes(6 * 1024 * 1024))

        fails_with(response, 'size', status=413)

    def test_accepts_the_largest_size(self, as_user):
        noise = encoded(Image.effect_noise((200, 200), 90)).getvalue()
        padded = noise + bytes(5 * 1024 * 1024 - len(noise))

        assert send(as_user(), padded).status_code == 201

    def test_returns_503_and_retry_after_if_no_slot_is_free(self, app, as_user, monkeypatch):
        monkeypatch.setitem(app.config, 'IMAGES_CONCURRENCY', 0)
        monkeypatch.setattr(
            images.resize_to_webp, '__kwdefaults__', {'square': False, 'timeout': 0.0}
        )

        response = send(as_user(), PICTURE)

        assert response.status_code == 503
        assert int(response.headers['Retry-After']) >= 1

    def test_returns_503_and_retry_after_if_the_decoder_fails(self, as_user, monkeypatch, tmp_path):
        client = as_user()
        with monkeypatch.context() as once:
            once.setattr(images, 'DECODER', disguised(tmp_path, 'raise MemoryError'))
            response = send(client, PICTURE)

        assert response.status_code == 503
        assert int(response.headers['Retry-After']) >= 1
        assert send(client, PICTURE).status_code == 201


class TestAvatarDelete:
    def test_deletes_the_avatar(self, as_user):
        client = as_user()
        send(client, PICTURE)

        assert client.delete(ME).status_code == 200
        gone = client.delete(ME)
        fails_with(gone, 'avatar', status=404)
        assert data(client.get('/api/v1/users/me/profile'))['profile_image'] is None


class TestAvatarShow:
    def test_returns_the_own_avatar_for_private_caches_only(self, as_user):
        client = as_user()
        send(client, PICTURE)

        response = client.get(ME, buffered=True)

        assert (response.status_code, response.mimetype) == (200, 'image/webp')
        assert response.headers['Cache-Control'] == 'private, no-cache'
        assert decoded(response.data).size == (256, 256)

    def test_returns_404_without_an_avatar(self, as_user):
        response = as_user().get(ME)

        fails_with(response, 'avatar', status=404)


class TestUserAvatar:
    def test_returns_any_avatar_without_a_login_to_any_site(self, as_user, client):
        send(as_user(UserFactory(username='ada')), PICTURE)

        response = client.get('/api/v1/users/ada/avatar', buffered=True)

        assert (response.status_code, response.mimetype) == (200, 'image/webp')
        assert response.headers['Cross-Origin-Resource-Policy'] == 'cross-origin'
        assert response.headers['X-Content-Type-Options'] == 'nosniff'
        assert "default-src 'none'" in response.headers['Content-Security-Policy']

    def test_returns_304_for_a_current_etag(self, as_user, client):
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
    def test_returns_404_for_unknown_and_disabled_users_and_without_an_avatar(
        self, as_user, client, name
    ):
        AdminFactory()
        gone = UserFactory(username='gone')
        send(as_user(gone), PICTURE)
        service.disable_user(gone.id)
        UserFactory(username='plain')

        response = client.get(f'/api/v1/users/{name}/avatar')

        fails_with(response, 'avatar' if name == 'plain' else 'username', status=404)
