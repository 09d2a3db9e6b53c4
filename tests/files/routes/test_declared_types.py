"""HTTP: keep the content type that a client declares, and do not rely on it."""

import io
from typing import Any

import pytest

from tests.client import data
from tests.files.routes.upload_methods import by_tus, raw

URL = '/api/v1/files'


class TestDeclaredType:
    """What a client says of the bytes is kept, and changes nothing."""

    @pytest.fixture(autouse=True)
    def scanner(self, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody scans."""
        monkeypatch.setitem(app.config, 'FILES_SCANNER', '')

    @pytest.mark.parametrize(
        ('said', 'kept'),
        [
            ('application/pdf', 'application/pdf'),
            ('Text/HTML; charset=utf-8', 'text/html'),
            ('application/vnd.ms-excel', 'application/vnd.ms-excel'),
            ('', None),
            ('nonsense', None),
            ('a/b/c', None),
            ('<b>/<i>', None),
            (f'text/{"x" * 200}', None),
        ],
    )
    def test_is_kept_if_it_is_one(self, client: Any, said: str, kept: str | None) -> None:
        file = data(client.post(URL, data=b'Hello.', content_type=said))

        version = data(client.get(f'{URL}/{file["id"]}/versions'))['items'][0]
        assert (version['declared_type'], version['type']) == (kept, 'text/plain')
        assert file['type'] == 'text/plain'

    def test_comes_in_a_form_and_by_tus(self, client: Any) -> None:
        form = client.post(URL, data={'file': (io.BytesIO(b'a'), 'a.pdf', 'application/pdf')})
        described = {'Upload-Metadata': 'filename YS5wZGY=,filetype aW1hZ2UvcG5n'}
        expected = {
            data(form)['id']: 'application/pdf',
            by_tus(client, b'abc', **described): 'image/png',
        }

        for file_id, type_ in expected.items():
            version = data(client.get(f'{URL}/{file_id}/versions'))['items'][0]
            assert version['declared_type'] == type_

    def test_is_that_of_each_version(self, client: Any) -> None:
        file_id = raw(client, b'1')
        client.put(f'{URL}/{file_id}/content', data=b'2', content_type='text/markdown')
        client.post(f'{URL}/{file_id}/versions/1/restore')

        listed = data(client.get(f'{URL}/{file_id}/versions'))['items']
        assert [v['declared_type'] for v in listed] == ['text/csv', 'text/markdown', 'text/csv']
