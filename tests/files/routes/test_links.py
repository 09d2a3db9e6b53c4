"""HTTP: create, list, use and delete share links, which give access to a file."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from project.core.clock import now
from project.core.database.session import db
from project.files import service
from project.files.errors import LinkNotFound, TooManyLinks
from project.files.models import Link
from project.users import service as users
from tests.files.file_io import store
from tests.kit.responses import data, fails_with
from tests.users.factories import AdminFactory, UserFactory, principal_of

URL = '/api/v1/files'
SHARED = f'{URL}/shared'


@pytest.fixture
def anybody(app):
    """A test client that is not logged in."""
    return app.test_client()


@pytest.fixture
def file(ada):
    """A file of Ada."""
    return store(ada.id, b'Shared bytes.', name='shared.txt')


def share(client, file, **body):
    """Create a share link; return the data of the response."""
    return data(client.post(f'{URL}/{file.id}/links', json=body))


def fetch(client, token, method='GET', **headers):
    """Download the file to which a share link refers."""
    headers = {name.replace('_', '-'): value for name, value in headers.items()}
    return client.open(f'{SHARED}/{token}/content', method=method, headers=headers, buffered=True)


class TestLinkCreate:
    def test_shares_the_file_without_login(self, client, anybody, file):
        response = client.post(f'{URL}/{file.id}/links', json={})

        assert response.status_code == 201
        link = data(response)
        assert link['token'].startswith('psl_')
        assert link['url'].endswith(f'{SHARED}/{link["token"]}/content')
        shown = data(anybody.get(f'{SHARED}/{link["token"]}'))
        assert set(shown) == {'name', 'size', 'type', 'sha256', 'updated_at'}
        assert (shown['name'], shown['size']) == ('shared.txt', 13)
        got = fetch(anybody, link['token'])
        assert (got.status_code, got.data) == (200, b'Shared bytes.')
        assert got.headers['Content-Disposition'].startswith('attachment')
        assert 'sandbox' in got.headers['Content-Security-Policy']

    def test_stores_no_token(self, client, file):
        token = share(client, file)['token']

        assert token not in db.session.scalars(select(Link.token_hash)).all()

    @pytest.mark.parametrize(
        ('body', 'field'),
        [
            ({'expires_at': '2020-01-01T00:00:00Z'}, 'expires_at'),
            ({'max_downloads': 0}, 'max_downloads'),
            ({'max_downloads': '1'}, 'max_downloads'),
            ({'max_downloads': 1.5}, 'max_downloads'),
            ({'password': ''}, 'password'),
            ({'password': 'x' * 129}, 'password'),
            ({'token': 'psl_mine'}, 'token'),
        ],
    )
    def test_rejects_an_invalid_body(self, client, file, body, field):
        response = client.post(f'{URL}/{file.id}/links', json=body)

        fails_with(response, field)

    def test_returns_404_for_files_of_others_and_trash(self, as_user, client, file):
        other = as_user().post(f'{URL}/{file.id}/links', json={})
        client.delete(f'{URL}/{file.id}')
        trashed = client.post(f'{URL}/{file.id}/links', json={})

        for response in (other, trashed):
            fails_with(response, 'file', status=404)

    def test_rejects_the_51st_link(self, ada, file):
        for _ in range(50):
            service.create_link(principal_of(ada), file.id)

        with pytest.raises(TooManyLinks):
            service.create_link(principal_of(ada), file.id)


class TestLinkList:
    def test_lists_links_without_their_tokens(self, client, file):
        share(client, file)
        link = share(client, file, password='hush', max_downloads=3)

        newest = data(client.get(f'{URL}/{file.id}/links'))['items'][0]

        assert newest == {name: link[name] for name in link if name not in ('token', 'url')}
        assert (newest['has_password'], newest['max_downloads']) == (True, 3)

    def test_returns_404_for_other_users(self, as_user, file):
        response = as_user().get(f'{URL}/{file.id}/links')

        assert response.status_code == 404


class TestLinkDelete:
    def test_deletes_the_link(self, client, anybody, file):
        link = share(client, file)

        assert client.delete(f'{URL}/links/{link["id"]}').status_code == 200

        assert fetch(anybody, link['token']).status_code == 404
        assert client.delete(f'{URL}/links/{link["id"]}').status_code == 404

    def test_returns_404_for_other_users(self, as_user, client, anybody, file):
        link = share(client, file)
        other = as_user()

        for link_id in (link['id'], uuid4()):
            response = other.delete(f'{URL}/links/{link_id}')
            fails_with(response, 'link', status=404)
        assert fetch(anybody, link['token']).status_code == 200


class TestCollectGarbage:
    def test_deletes_links_a_month_after_their_end(self, ada, client, file, travel):
        ended = service.create_link(
            principal_of(ada), file.id, expires_at=now() + timedelta(days=1)
        )
        service.create_link(principal_of(ada), file.id)
        service.create_link(principal_of(ada), file.id, expires_at=now() + timedelta(days=60))
        used = service.create_link(principal_of(ada), file.id, max_downloads=1)
        service.create_link(principal_of(ada), file.id, max_downloads=2)
        fetch(client, used['token'])
        travel(days=29)
        assert list(service.collect_garbage()) == []

        travel(days=3)

        expected = {str(ended['id']), str(used['id'])}
        for dry_run in (True, False):
            collected = list(service.collect_garbage(dry_run=dry_run))
            assert {one.kind for one in collected} == {'links'}
            assert {one.name for one in collected} == expected
        assert list(service.collect_garbage()) == []
        assert db.session.scalar(select(func.count()).select_from(Link)) == 3


class TestShared:
    @pytest.mark.parametrize('token', ['x', 'psl_x', 'psl_' + 'A' * 49, '%00', 'é' * 20, 'A' * 500])
    def test_returns_404_for_unknown_tokens(self, anybody, token):
        for path in (f'{SHARED}/{token}', f'{SHARED}/{token}/content'):
            assert anybody.get(path).status_code == 404

    @pytest.mark.parametrize('end', ['trash', 'delete', 'disable', 'erase', 'expire', 'right'])
    def test_returns_404_without_file_owner_or_permission(
        self, client, anybody, ada, file, travel, monkeypatch, end
    ):
        AdminFactory()
        link = share(client, file, expires_at=(now() + timedelta(hours=1)).isoformat())
        assert fetch(anybody, link['token']).status_code == 200
        if end == 'trash':
            service.trash_file(ada.id, file.id)
        elif end == 'delete':
            service.delete_file(ada.id, file.id)
        elif end == 'disable':
            users.disable_user(ada.id)
        elif end == 'erase':
            users.delete_user(ada.id)
        elif end == 'expire':
            travel(hours=1, seconds=1)
        else:
            nothing = 'project.users.service.authorization.permissions_of'
            monkeypatch.setattr(nothing, lambda _: frozenset())

        for path in (f'{SHARED}/{link["token"]}', f'{SHARED}/{link["token"]}/content'):
            response = anybody.get(path)
            fails_with(response, 'link', status=404)

    def test_can_be_embedded_by_pages_of_other_origins(self, client, anybody, file):
        content = fetch(anybody, share(client, file)['token'])

        assert content.headers['Cross-Origin-Resource-Policy'] == 'cross-origin'
        assert content.headers['Cache-Control'] == 'private, no-cache'
        assert content.headers['Content-Disposition'].startswith('attachment')

    def test_is_shown_by_browsers_if_it_cannot_contain_scripts(self, client, anybody, ada, file):
        document = store(ada.id, b'%PDF-1.4\n', name='a.pdf')
        tokens = [share(client, each)['token'] for each in (file, document)]

        shown = [
            anybody.get(f'{SHARED}/{token}/content?inline=true', buffered=True) for token in tokens
        ]

        kinds = [each.headers['Content-Disposition'].partition(';')[0] for each in shown]
        assert kinds == ['inline', 'attachment']

    def test_returns_the_newest_version(self, client, anybody, ada, file):
        link = share(client, file)
        client.put(f'{URL}/{file.id}/content', data=b'Newer.')

        assert fetch(anybody, link['token']).data == b'Newer.'


class TestPassword:
    def test_is_required(self, client, anybody, file):
        token = share(client, file, password='Open sesame')['token']

        for headers in ({}, {'X_Link_Password': 'wrong'}, {'X_Link_Password': ''}):
            response = fetch(anybody, token, **headers)
            fails_with(response, 'password', status=403)
        assert anybody.get(f'{SHARED}/{token}').status_code == 403
        assert fetch(anybody, token, X_Link_Password='Open sesame').data == b'Shared bytes.'

    def test_is_locked_after_ten_wrong_passwords(self, client, anybody, file, travel):
        token = share(client, file, password='Open sesame')['token']
        for _ in range(10):
            assert fetch(anybody, token, X_Link_Password='wrong').status_code == 403

        locked = fetch(anybody, token, X_Link_Password='Open sesame')

        fails_with(locked, 'attempts', status=429)
        travel(minutes=15, seconds=1)
        assert fetch(anybody, token, X_Link_Password='Open sesame').status_code == 200

    def test_does_not_count_right_passwords(self, client, anybody, file):
        token = share(client, file, password='Open sesame')['token']

        answers = [fetch(anybody, token, X_Link_Password='Open sesame') for _ in range(12)]

        assert {answer.status_code for answer in answers} == {200}


class TestMaxDownloads:
    def test_counts_whole_downloads_and_ranges(self, client, anybody, file):
        token = share(client, file, max_downloads=2)['token']

        assert fetch(anybody, token).status_code == 200
        assert fetch(anybody, token, Range='bytes=0-1').status_code == 206
        gone = fetch(anybody, token)
        fails_with(gone, 'link', status=404)
        assert anybody.get(f'{SHARED}/{token}').status_code == 404

    def test_does_not_count_other_responses(self, client, anybody, file):
        token = share(client, file, max_downloads=1)['token']
        etag = f'"{file.sha256}"'

        assert fetch(anybody, token, method='HEAD').status_code == 200
        assert fetch(anybody, token, If_None_Match=etag).status_code == 304
        assert fetch(anybody, token, Range='bytes=99-').status_code == 416
        assert anybody.get(f'{SHARED}/{token}').status_code == 200
        assert fetch(anybody, token).status_code == 200

    def test_is_not_exceeded_by_concurrent_requests(self, own_app, run_concurrently):
        ada = UserFactory()
        file = store(ada.id, b'Once.')
        link = service.create_link(principal_of(ada), file.id, max_downloads=1)

        def download():
            found, _, stream = service.open_shared(link['token'])
            with stream:
                service.count_download(found, stream)
                return stream.read()

        results = run_concurrently(*[download] * 8)

        assert results.count(b'Once.') == 1
        assert sum(isinstance(result, LinkNotFound) for result in results) == 7
