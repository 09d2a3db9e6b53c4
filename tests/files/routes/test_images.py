"""HTTP: the type, the thumbnail, the inline display and the avatar of each image of the corpus."""

import pytest

from tests.core.images.decoders import decode_in_process
from tests.core.images.sample_images import decoded
from tests.corpus.images import colours_of, inputs
from tests.files.routes.file_requests import URL, fetch, raw
from tests.kit.responses import data
from tests.kit.tasks import run_pending_tasks

AVATAR = '/api/v1/users/me/avatar'


@pytest.fixture(autouse=True)
def free_decoders(app, monkeypatch):
    """Allow 64 concurrent decoders, which run in the process of the test."""
    monkeypatch.setitem(app.config, 'IMAGES_CONCURRENCY', 64)
    decode_in_process(monkeypatch)


def set_avatar(client, content):
    """Upload an avatar in a form; return the response."""
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    form = head + content + b'\r\n--cut--\r\n'
    return client.put(AVATAR, data=form, content_type='multipart/form-data; boundary=cut')


def picture(response):
    """Return the colours of the picture in a response; None if it was rejected."""
    if response.status_code == 422:
        return None
    assert response.status_code == 200
    return colours_of(decoded(response.data))


class TestImagesOfTheCorpus:
    @pytest.mark.slow('uploads, decodes and downloads 65 images')
    def test_have_the_type_thumbnail_and_avatar_of_the_table(self, app, client, ada):
        made = {name: data(raw(client, found.content)) for name, found in inputs().items()}
        for shown in made.values():
            client.get(f'{URL}/{shown["id"]}/thumbnail')
        run_pending_tasks(app)

        for name, found in inputs().items():
            url = f'{URL}/{made[name]["id"]}'
            assert made[name]['type'] == found.media_type, name
            expected = found.colours and found.colours[:2]
            assert picture(fetch(client, f'{url}/thumbnail')) == expected, name
            header = fetch(client, f'{url}/content?inline=true').headers['Content-Disposition']
            is_inline = header.startswith('inline')
            assert is_inline or expected is None, name
            avatar = set_avatar(client, found.content)
            assert avatar.status_code in ({422} if expected is None else {200, 201}), name
            if expected is not None:
                assert picture(fetch(client, f'/api/v1/users/{ada.username}/avatar')) == expected
