"""HTTP: store the `Content-Type` that a client declares for a file, without trusting it."""

import io
from typing import Any

import pytest

from tests.files.routes.upload_methods import by_tus, raw
from tests.kit.responses import data

URL = '/api/v1/files'


class TestDeclaredType:
    """The declared type is stored beside the type that the service detects from the bytes."""

    @pytest.fixture(autouse=True)
    def scanner(self, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Disable the virus scanner."""
        monkeypatch.setitem(app.config, 'FILES_SCANNER', '')

    @pytest.mark.parametrize(
        ('sent', 'kept'),
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
    def test_is_stored_if_it_is_valid(self, client: Any, sent: str, kept: str | None) -> None:
        file = data(client.post(URL, data=b'Hello.', content_type=sent))

        version = data(client.get(f'{URL}/{file["id"]}/versions'))['items'][0]
        assert (version['declared_type'], version['type']) == (kept, 'text/plain')
        assert file['type'] == 'text/plain'

    def test_is_read_from_forms_and_tus_metadata(self, client: Any) -> None:
        form = client.post(URL, data={'file': (io.BytesIO(b'a'), 'a.pdf', 'application/pdf')})
        described = {'Upload-Metadata': 'filename YS5wZGY=,filetype aW1hZ2UvcG5n'}
        expected = {
            data(form)['id']: 'application/pdf',
            by_tus(client, b'abc', **described): 'image/png',
        }

        for file_id, type_ in expected.items():
            version = data(client.get(f'{URL}/{file_id}/versions'))['items'][0]
            assert version['declared_type'] == type_

    def test_is_stored_for_each_version(self, client: Any) -> None:
        file_id = raw(client, b'1')
        client.put(f'{URL}/{file_id}/content', data=b'2', content_type='text/markdown')
        client.post(f'{URL}/{file_id}/versions/1/restore')

        listed = data(client.get(f'{URL}/{file_id}/versions'))['items']
        assert [v['declared_type'] for v in listed] == ['text/csv', 'text/markdown', 'text/csv']
