"""New bytes for files, and their versions, over HTTP."""

import io

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from project.files import service
from tests.client import data, reasons
from tests.users.factories import UserFactory

from .factories import FileFactory

URL = '/api/v1/files'


@pytest.fixture
def client(as_user, ada):
    """A client that is Ada."""
    return as_user(ada)


@pytest.fixture
def file(ada):
    """A file of hers."""
    return FileFactory(owner=ada, name='a.txt', content=b'first')


def replace(client, file, content=b'second', **headers):
    """Send new bytes as they are."""
    return client.put(f'{URL}/{file.id}/content', data=content, headers=headers)


class TestFileContentReplace:
    def test_takes_bytes_as_they_are(self, client, file):
        response = replace(client, file)

        assert response.status_code == 200
        shown = data(response)
        assert (shown['name'], shown['size'], shown['version']) == ('a.txt', 6, 2)
        assert response.headers['ETag'] == '"2"'
        got = client.get(f'{URL}/{file.id}/content', buffered=True)
        assert (got.data, got.headers['ETag']) == (b'second', f'"{shown["sha256"]}"')

    def test_takes_a_form(self, client, file):
        boundary, body = encode_multipart({'file': FileStorage(io.BytesIO(b'second'), 'x.txt')})
        response = client.put(
            f'{URL}/{file.id}/content', data=body,
            content_type=f'multipart/form-data; boundary="{boundary}"',
        )  # fmt: skip

        # It is called as it was.
        assert (data(response)['name'], data(response)['size']) == ('a.txt', 6)

    def test_goes_by_the_version_that_was_meant(self, client, file):
        assert replace(client, file, **{'If-Match': '"1"'}).status_code == 200

        refused = replace(client, file, b'third', **{'If-Match': '"1"'})

        assert (refused.status_code, set(reasons(refused))) == (412, {'etag'})

    def test_is_not_there_for_others_and_for_nobody(self, as_user, file, client):
        other = replace(as_user(UserFactory()), file)
        client.delete(f'{URL}/{file.id}')
        trashed = replace(client, file)

        for response in (other, trashed):
            assert (response.status_code, set(reasons(response))) == (404, {'file'})

    @pytest.mark.parametrize(
        ('setting', 'key'), [('FILES_MAX_SIZE', 'size'), ('FILES_QUOTA', 'quota')]
    )
    def test_rejects_what_does_not_fit(self, app, client, file, monkeypatch, setting, key):
        monkeypatch.setitem(app.config, setting, 8)

        response = replace(client, file, b'123456789')

        assert (response.status_code, set(reasons(response))) == (413, {key})
        assert data(client.get(f'{URL}/usage'))['reserved'] == 0


class TestVersionList:
    def test_shows_the_newest_first(self, client, file):
        replace(client, file)

        items = data(client.get(f'{URL}/{file.id}/versions'))['items']

        assert [(item['number'], item['size']) for item in items] == [(2, 6), (1, 5)]
        assert set(items[0]) == {
            'number', 'size', 'type', 'declared_type', 'sha256', 'scan', 'created_at',
        }  # fmt: skip

    def test_comes_in_pages(self, client, file):
        replace(client, file)
        first = data(client.get(f'{URL}/{file.id}/versions?limit=1'))

        second = client.get(f'{URL}/{file.id}/versions?limit=1&cursor={first["next"]}')

        assert [item['number'] for item in data(second)['items']] == [1]


class TestVersionContent:
    def test_is_what_it_was(self, client, file):
        replace(client, file)

        response = client.get(f'{URL}/{file.id}/versions/1/content', buffered=True)

        assert response.data == b'first'
        assert response.headers['ETag'] == f'"{file.sha256}"'
        assert 'filename="a.txt"' in response.headers['Content-Disposition']
        assert 'sandbox' in response.headers['Content-Security-Policy']

    def test_comes_in_ranges(self, client, file):
        response = client.get(
            f'{URL}/{file.id}/versions/1/content', headers={'Range': 'bytes=1-2'}, buffered=True
        )

        assert (response.status_code, response.data) == (206, b'ir')

    @pytest.mark.parametrize('number', [0, 2, 2**31, 10**30])
    def test_is_missing_where_there_is_none(self, client, file, number):
        response = client.get(f'{URL}/{file.id}/versions/{number}/content')

        assert response.status_code == 404


class TestVersionRestore:
    def test_goes_back(self, client, file):
        replace(client, file)

        response = client.post(f'{URL}/{file.id}/versions/1/restore')

        assert data(response)['sha256'] == file.sha256
        got = client.get(f'{URL}/{file.id}/content', buffered=True)
        assert got.data == b'first'

    def test_is_not_there_for_others(self, as_user, file):
        response = as_user(UserFactory()).post(f'{URL}/{file.id}/versions/1/restore')

        assert (response.status_code, set(reasons(response))) == (404, {'file'})


class TestFilesQuota:
    def test_says_how_much_a_user_may_have(self, cli, ada):
        assert cli.invoke(args=['files', 'quota', ada.username, '5GB']).exit_code == 0
        assert service.get_usage(ada.id)['quota'] == 5_000_000_000

        shown = cli.invoke(args=['files', 'quota', ada.username, '512KiB', '--json'])
        assert '"quota":524288' in shown.stdout

    def test_goes_back_to_everybodys(self, app, cli, ada):
        cli.invoke(args=['files', 'quota', ada.username, '5GB'])

        assert cli.invoke(args=['files', 'quota', ada.username, '--default']).exit_code == 0

        assert service.get_usage(ada.id)['quota'] == app.config['FILES_QUOTA']

    @pytest.mark.parametrize('size', ['much', '-5GB', '5 GB', '5XB', '', '٥GB'])
    def test_rejects_what_is_no_size(self, cli, ada, size):
        refused = cli.invoke(args=['files', 'quota', ada.username, size])

        assert refused.exit_code == 2

    def test_rejects_nobody(self, cli):
        refused = cli.invoke(args=['files', 'quota', 'nobody', '5GB'])

        assert (refused.exit_code, refused.stderr) == (1, 'Error: user: No such user\n')
