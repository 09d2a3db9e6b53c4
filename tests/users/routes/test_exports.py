"""HTTP: request, list and download exports of personal data."""

import io
from uuid import uuid4
from zipfile import ZipFile

from tests.kit.responses import data, fails_with
from tests.kit.tasks import run_pending_tasks

MINE = '/api/v1/users/me/exports'


class TestExportCreate:
    def test_returns_the_location_of_the_export(self, app, as_user, user):
        client = as_user(user)

        response = client.post(MINE)

        assert response.status_code == 202
        assert data(response)['state'] == 'pending'
        shown = client.get(response.location)
        assert data(shown) == data(response)
        assert set(data(shown)) == {'id', 'state', 'size', 'created_at', 'expires_at'}

    def test_requests_one_export_for_a_repeated_request(self, as_user, user):
        client = as_user(user)

        first, second = (client.post(MINE, headers={'Idempotency-Key': 'one'}) for _ in range(2))

        assert (second.status_code, second.location) == (202, first.location)

    def test_returns_409_while_another_export_is_pending(self, as_user, user):
        client = as_user(user)
        client.post(MINE)

        response = client.post(MINE)

        fails_with(response, 'export', status=409)


class TestExportContent:
    def test_returns_a_zip_as_an_attachment(self, app, as_user, user):
        client = as_user(user)
        path = client.post(MINE).location
        assert client.get(f'{path}/content').status_code == 409
        run_pending_tasks(app)

        response = client.get(f'{path}/content', buffered=True)

        assert (response.status_code, response.mimetype) == (200, 'application/zip')
        assert response.headers['Content-Disposition'].startswith('attachment; filename="export-')
        assert response.headers['Cache-Control'] == 'private, no-cache'
        with ZipFile(io.BytesIO(response.data)) as archive:
            assert 'users/user.json' in archive.namelist()
        part = client.get(f'{path}/content', headers={'Range': 'bytes=0-1'}, buffered=True)
        assert (part.status_code, part.data) == (206, b'PK')

    def test_returns_404_to_another_user(self, app, as_user, user):
        path = as_user(user).post(MINE).location
        run_pending_tasks(app)
        other = as_user()

        for url in (path, f'{path}/content', f'{MINE}/{uuid4()}', f'{MINE}/{uuid4()}/content'):
            response = other.get(url)
            fails_with(response, 'export', status=404)
        assert data(other.get(MINE))['items'] == []


class TestExportList:
    def test_returns_the_newest_first(self, app, as_user, user):
        client = as_user(user)
        made = [data(client.post(MINE))['id']]
        run_pending_tasks(app)
        made.append(data(client.post(MINE))['id'])

        items = data(client.get(MINE))['items']

        assert [item['id'] for item in items] == made[::-1]
        assert [item['state'] for item in items] == ['pending', 'ready']
