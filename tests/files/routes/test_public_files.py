"""HTTP: download the published files, and `report.txt` about the caller's files."""

import os
import time

import pytest

from tests.files.factories import FileFactory
from tests.files.routes.file_requests import PNG, QUOTA, URL, assert_inert, fetch
from tests.kit.responses import fails_with


class TestReportShow:
    def test_returns_the_sums_by_type(self, client, ada):
        FileFactory(owner=ada, content=PNG)
        FileFactory(owner=ada, content=b'12345')
        FileFactory(owner=ada, content=b'123', trashed=True)

        response = fetch(client, f'{URL}/report')

        assert response.headers['Content-Disposition'] == 'attachment; filename="report.txt"'
        assert response.headers['Content-Type'].startswith('text/plain')
        lines = [line.split() for line in response.text.splitlines()]
        assert lines[0] == ['3', 'files,', str(len(PNG) + 8), 'of', str(QUOTA), 'bytes']
        assert lines[2:] == [[str(len(PNG)), '1', 'image/png'], ['8', '2', 'text/plain']]

    def test_prevents_browsers_from_executing_the_bytes(self, client):
        assert_inert(fetch(client, f'{URL}/report'))

    def test_forbids_shared_caches(self, client):
        response = fetch(client, f'{URL}/report')

        assert response.headers['Cache-Control'] == 'private, no-cache'

    def test_returns_416_for_a_range_after_the_end(self, client):
        response = fetch(client, f'{URL}/report', Range='bytes=10000-')

        fails_with(response, 'range', status=416)

    @pytest.mark.parametrize('wanted', ['lines=1-2', 'bytes=0-1,2-3'])
    def test_ignores_unsupported_ranges(self, client, wanted):
        assert fetch(client, f'{URL}/report', Range=wanted).status_code == 200


class TestPublishedShow:
    @pytest.fixture
    def folder(self, var):
        folder = var / 'public'
        folder.mkdir()
        (folder / 'terms.txt').write_bytes(b'0123456789')
        (folder / 'page.html').write_bytes(b'<script>alert(1)</script>')
        (folder / 'nested').mkdir()
        (folder / 'nested' / 'deep.txt').write_bytes(b'Deep.')
        (folder / '.draft.txt.part').write_bytes(b'Half of')
        (folder / 'nested' / '.hidden').write_bytes(b'Hidden.')
        (var / 'private.txt').write_bytes(b'Private.')
        return folder

    @pytest.fixture
    def nobody(self, app, folder):
        return app.test_client()

    def test_returns_a_published_file_without_login(self, nobody):
        response = fetch(nobody, f'{URL}/public/terms.txt')

        assert response.data == b'0123456789'
        assert response.headers['Content-Disposition'] == 'attachment; filename="terms.txt"'
        assert response.headers['Cache-Control'] == 'max-age=300'

    def test_returns_a_file_in_a_subfolder(self, nobody):
        assert fetch(nobody, f'{URL}/public/nested/deep.txt').data == b'Deep.'

    def test_prevents_browsers_from_executing_the_bytes(self, nobody):
        response = fetch(nobody, f'{URL}/public/page.html')

        assert response.headers['Content-Disposition'].startswith('attachment')
        assert_inert(response)

    @pytest.mark.parametrize(
        'name',
        [
            'nothing.txt',
            'nested',
            'nested/',
            '../private.txt',
            'nested/../../private.txt',
            '%2e%2e/private.txt',
            '..%2fprivate.txt',
            '..%5cprivate.txt',
            'terms.txt%00',
            'x' * 300,
            '.draft.txt.part',
            'nested/.hidden',
            '.',
        ],
    )
    def test_returns_404_for_other_paths(self, nobody, name):
        response = fetch(nobody, f'{URL}/public/{name}')

        fails_with(response, 'url', status=404)

    def test_returns_a_range(self, nobody):
        response = fetch(nobody, f'{URL}/public/terms.txt', Range='bytes=2-4')

        assert (response.status_code, response.data) == (206, b'234')

    def test_returns_416_for_a_range_after_the_end(self, nobody):
        response = fetch(nobody, f'{URL}/public/terms.txt', Range='bytes=10-')

        assert response.status_code == 416
        assert response.headers['Content-Range'] == 'bytes */10'

    @pytest.mark.parametrize('wanted', ['lines=1-2', 'bytes=0-1,4-5', 'nonsense'])
    def test_ignores_unsupported_ranges(self, nobody, wanted):
        response = fetch(nobody, f'{URL}/public/terms.txt', Range=wanted)

        assert (response.status_code, response.data) == (200, b'0123456789')

    def test_sends_no_date_in_the_future(self, nobody, folder):
        os.utime(folder / 'terms.txt', (time.time() + 100,) * 2)

        assert 'Last-Modified' not in fetch(nobody, f'{URL}/public/terms.txt').headers

    def test_returns_the_new_bytes_of_a_changed_file(self, nobody, folder):
        first = fetch(nobody, f'{URL}/public/terms.txt')
        (folder / 'terms.txt').write_bytes(b'Something else.')
        os.utime(folder / 'terms.txt', (time.time() + 10,) * 2)

        seen = first.headers['ETag']
        response = fetch(nobody, f'{URL}/public/terms.txt', **{'If-None-Match': seen})

        assert response.data == b'Something else.'
