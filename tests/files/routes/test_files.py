"""HTTP: list, show, change, delete and restore files, and show the usage."""

from uuid import uuid4

import pytest

from project.files import service
from tests.files.factories import FileFactory
from tests.files.routes.file_requests import LIMIT, PNG, QUOTA, URL, fetch, raw, used
from tests.kit.responses import data, fails_with
from tests.kit.tasks import run_pending_tasks
from tests.users.factories import UserFactory


def names(response):
    """Return the file names on a page of the list."""
    return [item['name'] for item in data(response)['items']]


class TestFilesGet:
    def test_lists_own_files_newest_first(self, client, ada):
        FileFactory(owner=ada, name='old.txt')
        FileFactory(owner=ada, name='new.txt')
        FileFactory(name='somebody else’s.txt')

        response = client.get(URL)

        assert names(response) == ['new.txt', 'old.txt']
        assert data(response)['next'] is None

    def test_shows_each_file_as_its_own_url_does(self, client, ada):
        file = FileFactory(owner=ada, tags=['red'])

        [listed] = data(client.get(URL))['items']

        assert listed == data(client.get(f'{URL}/{file.id}'))

    @pytest.mark.parametrize(
        ('query', 'found'),
        [
            ({'name': 'a.txt'}, ['a.txt']),
            ({'name': 'a'}, []),
            ({'tag': 'red'}, ['a.txt', 'b.png']),
            ({'tag': 'blue'}, ['b.png']),
            ({'tag': 're'}, []),
            ({'type': 'image/png'}, ['b.png']),
            ({'tag': 'red', 'type': 'text/plain'}, ['a.txt']),
            ({'trashed': 'true'}, ['d.txt']),
            ({'trashed': 'false'}, ['a.txt', 'b.png', 'c.txt']),
            ({}, ['a.txt', 'b.png', 'c.txt']),
        ],
    )
    def test_filters_files(self, client, ada, query, found):
        FileFactory(owner=ada, name='a.txt', tags=['red'])
        FileFactory(owner=ada, name='b.png', tags=['red', 'blue'], content=PNG)
        FileFactory(owner=ada, name='c.txt')
        FileFactory(owner=ada, name='d.txt', tags=['red'], trashed=True)
        FileFactory(name='a.txt', tags=['red'])

        assert names(client.get(URL, query_string={'sort': 'name', **query})) == found

    @pytest.mark.parametrize(
        ('sort', 'order'),
        [
            ('name', ['a', 'b', 'c']),
            ('-name', ['c', 'b', 'a']),
            ('size', ['b', 'c', 'a']),
            ('-size', ['a', 'c', 'b']),
            ('created_at', ['c', 'a', 'b']),
            ('-created_at', ['b', 'a', 'c']),
        ],
    )
    def test_sorts_files(self, client, ada, sort, order):
        for name, size in (('c', 2), ('a', 3), ('b', 1)):
            FileFactory(owner=ada, name=name, content=b'x' * size)

        assert names(client.get(f'{URL}?sort={sort}')) == order

    @pytest.mark.parametrize('sort', ['name', '-size', '-created_at'])
    def test_lists_each_file_once_when_sort_keys_are_equal(self, client, ada, sort):
        for _ in range(5):
            FileFactory(owner=ada, name='same', content=b'same')

        page = client.get(f'{URL}?sort={sort}&limit=2')
        seen = [item['id'] for item in data(page)['items']]
        for _ in range(2):
            page = client.get(page.headers['Link'].removeprefix('<').split('>')[0])
            seen += [item['id'] for item in data(page)['items']]

        assert data(page)['next'] is None
        assert len(seen) == len(set(seen)) == 5

    def test_shows_no_files_for_a_cursor_of_another_user(self, client, as_user, ada):
        FileFactory.create_batch(3, owner=ada)
        cursor = data(client.get(f'{URL}?limit=1'))['next']

        response = as_user().get(f'{URL}?limit=1&cursor={cursor}')

        assert names(response) == []

    def test_rejects_a_cursor_of_another_sort_order(self, client, ada):
        FileFactory.create_batch(2, owner=ada)
        cursor = data(client.get(f'{URL}?limit=1&sort=name'))['next']

        response = client.get(f'{URL}?limit=1&sort=size&cursor={cursor}')

        fails_with(response, 'cursor')

    @pytest.mark.parametrize(
        'query', ['owner_id=1', 'sort=owner_id', 'limit=0', 'limit=201', 'trashed=perhaps', 'name=']
    )
    def test_rejects_undeclared_parameters_and_invalid_values(self, client, query):
        response = client.get(f'{URL}?{query}')

        fails_with(response, query.split('=')[0])

    def test_executes_one_statement(self, client, ada, queries):
        FileFactory(owner=ada, tags=['red', 'blue'])

        with queries(max=1):
            assert len(names(client.get(URL))) == 1


class TestFileGet:
    def test_shows_an_own_file_and_its_version(self, client, ada, queries):
        file = FileFactory(owner=ada, name='a.txt', tags=['red'])

        with queries(max=1):
            response = client.get(f'{URL}/{file.id}')

        assert data(response)['name'] == 'a.txt'
        assert data(response)['tags'] == ['red']
        assert response.headers['ETag'] == '"1"'

    def test_returns_304_for_a_matching_etag(self, client, ada):
        file = FileFactory(owner=ada)

        response = client.get(f'{URL}/{file.id}', headers={'If-None-Match': '"1"'})

        assert response.status_code == 304
        assert response.data == b''

    def test_shows_a_file_in_the_trash(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        assert data(client.get(f'{URL}/{file.id}'))['id'] == str(file.id)


class TestFileOfAnotherUser:
    ROUTES = (
        ('GET', ''),
        ('PATCH', ''),
        ('DELETE', ''),
        ('DELETE', '?permanent=true'),
        ('POST', '/restore'),
        ('GET', '/content'),
        ('HEAD', '/content'),
    )

    @pytest.mark.parametrize(('method', 'path'), ROUTES)
    @pytest.mark.parametrize('trashed', [False, True])
    def test_returns_404_on_every_route(self, client, method, path, trashed):
        bob = UserFactory()
        theirs = FileFactory(owner=bob, trashed=trashed)

        found = client.open(f'{URL}/{theirs.id}{path}', method=method, json=_body(method))
        none = client.open(f'{URL}/{uuid4()}{path}', method=method, json=_body(method))

        assert found.status_code == none.status_code == 404
        assert found.data == none.data
        if method != 'HEAD':
            fails_with(found, 'file', status=404, reason='No such file')
        assert service.get_file(bob.id, theirs.id) == theirs

    @pytest.mark.parametrize(('method', 'path'), ROUTES)
    def test_returns_404_for_an_id_that_is_not_a_uuid(self, client, method, path):
        response = client.open(f'{URL}/1{path}', method=method, json=_body(method))

        assert response.status_code == 404

    def test_is_kept_when_a_user_empties_their_trash(self, client):
        bob = UserFactory()
        theirs = FileFactory(owner=bob, trashed=True)

        client.delete(f'{URL}/trash')

        assert service.get_file(bob.id, theirs.id) == theirs


class TestFilePatch:
    def test_changes_only_the_sent_fields(self, client, ada):
        file = FileFactory(owner=ada, name='a.txt', tags=['red'])

        renamed = client.patch(f'{URL}/{file.id}', json={'name': 'b.txt'})
        tagged = client.patch(f'{URL}/{file.id}', json={'tags': ['blue', 'green', 'blue']})

        assert data(renamed)['tags'] == ['red']
        assert (data(tagged)['name'], data(tagged)['tags']) == ('b.txt', ['blue', 'green'])
        assert data(client.get(f'{URL}/{file.id}')) == data(tagged)

    def test_increases_the_version_and_updates_the_time(self, client, ada):
        file = FileFactory(owner=ada)

        response = client.patch(f'{URL}/{file.id}', json={'name': 'b.txt'})

        assert response.headers['ETag'] == '"2"'
        assert data(response)['version'] == 2
        assert data(response)['updated_at'] > data(response)['created_at']

    def test_deletes_all_tags_with_an_empty_list(self, client, ada):
        file = FileFactory(owner=ada, tags=['red', 'blue'])

        assert data(client.patch(f'{URL}/{file.id}', json={'tags': []}))['tags'] == []

    def test_cleans_the_name(self, client, ada):
        file = FileFactory(owner=ada)

        response = client.patch(f'{URL}/{file.id}', json={'name': '../../etc/\u200bpasswd'})

        assert data(response)['name'] == 'passwd'

    @pytest.mark.parametrize('condition', ['"1"', '*', '"7", "1"'])
    def test_changes_the_file_with_a_matching_if_match(self, client, ada, condition):
        file = FileFactory(owner=ada)

        response = client.patch(
            f'{URL}/{file.id}', json={'name': 'b'}, headers={'If-Match': condition}
        )

        assert response.status_code == 200

    @pytest.mark.parametrize('condition', ['"2"', 'W/"1"', '"nonsense"', '""'])
    def test_returns_412_for_another_version(self, client, ada, condition):
        file = FileFactory(owner=ada, name='a.txt')

        response = client.patch(
            f'{URL}/{file.id}', json={'name': 'b'}, headers={'If-Match': condition}
        )

        fails_with(response, 'etag', status=412)
        assert data(client.get(f'{URL}/{file.id}'))['name'] == 'a.txt'

    @pytest.mark.parametrize(
        ('body', 'field'),
        [
            ({'name': ''}, 'name'),
            ({'name': 'x' * 256}, 'name'),
            ({'name': 7}, 'name'),
            ({'name': None}, 'name'),
            ({'tags': 'red'}, 'tags'),
            ({'tags': ['two words']}, 'tags'),
            ({'tags': ['a,b']}, 'tags'),
            ({'tags': ['']}, 'tags'),
            ({'tags': ['x' * 33]}, 'tags'),
            ({'tags': [f'tag{n}' for n in range(21)]}, 'tags'),
            ({'size': 0}, 'size'),
            ({'owner_id': 1}, 'owner_id'),
            ({'sha256': '0' * 64}, 'sha256'),
        ],
    )
    def test_rejects_an_invalid_body(self, client, ada, body, field):
        file = FileFactory(owner=ada)

        response = client.patch(f'{URL}/{file.id}', json=body)

        fails_with(response, field)

    def test_returns_404_for_a_file_in_the_trash(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        assert client.patch(f'{URL}/{file.id}', json={'name': 'b'}).status_code == 404

    def test_runs_as_many_queries_for_20_tags_as_for_one(self, client, ada, queries):
        file = FileFactory(owner=ada)

        with queries(max=5):
            response = client.patch(
                f'{URL}/{file.id}', json={'tags': [f'tag{n}' for n in range(20)]}
            )

        assert len(data(response)['tags']) == 20


class TestFileDelete:
    def test_moves_the_file_to_the_trash_and_keeps_the_usage(self, client, ada):
        file = FileFactory(owner=ada, content=b'12345')

        response = client.delete(f'{URL}/{file.id}')

        assert data(response) is None
        assert names(client.get(URL)) == []
        assert names(client.get(f'{URL}?trashed=true')) == [file.name]
        assert client.get(f'{URL}/{file.id}/content').status_code == 404
        assert used(client) == 5

    def test_deletes_a_file_permanently(self, client, ada):
        file = FileFactory(owner=ada, content=b'12345')

        response = client.delete(f'{URL}/{file.id}?permanent=true')

        assert data(response) is None
        assert client.get(f'{URL}/{file.id}').status_code == 404
        assert names(client.get(f'{URL}?trashed=true')) == []
        assert used(client) == 0

    def test_deletes_a_file_in_the_trash_permanently(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        assert client.delete(f'{URL}/{file.id}?permanent=true').status_code == 200
        assert used(client) == 0

    @pytest.mark.parametrize('query', ['', '?permanent=true'])
    def test_returns_412_for_another_version(self, client, ada, query):
        file = FileFactory(owner=ada)

        response = client.delete(f'{URL}/{file.id}{query}', headers={'If-Match': '"2"'})

        assert response.status_code == 412
        assert names(client.get(URL)) == [file.name]

    @pytest.mark.parametrize('query', ['', '?permanent=true'])
    def test_deletes_the_file_with_a_matching_if_match(self, client, ada, query):
        file = FileFactory(owner=ada)

        response = client.delete(f'{URL}/{file.id}{query}', headers={'If-Match': '"1"'})

        assert response.status_code == 200
        assert names(client.get(URL)) == []

    def test_returns_412_for_another_version_in_the_trash(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        response = client.delete(f'{URL}/{file.id}', headers={'If-Match': '"2"'})

        assert response.status_code == 412

    def test_keeps_a_file_in_the_trash_unchanged(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        assert client.delete(f'{URL}/{file.id}').status_code == 200
        assert service.get_file(ada.id, file.id).trashed_at == file.trashed_at

    @pytest.mark.parametrize('query', ['permanent=perhaps', 'force=true'])
    def test_rejects_an_invalid_query(self, client, ada, query):
        file = FileFactory(owner=ada)

        assert client.delete(f'{URL}/{file.id}?{query}').status_code == 422

    def test_runs_few_queries(self, client, ada, queries):
        one, other = FileFactory.create_batch(2, owner=ada)

        with queries(max=2):
            trashed = client.delete(f'{URL}/{one.id}')
        with queries(max=6):
            deleted = client.delete(f'{URL}/{other.id}?permanent=true')

        assert (trashed.status_code, deleted.status_code) == (200, 200)


class TestFileRestore:
    def test_restores_the_file_from_the_trash(self, client, ada):
        file = FileFactory(owner=ada, content=b'12345', trashed=True)

        response = client.post(f'{URL}/{file.id}/restore')

        assert data(response)['id'] == str(file.id)
        assert response.headers['ETag'] == '"2"'
        assert names(client.get(URL)) == [file.name]
        assert fetch(client, f'{URL}/{file.id}/content').data == b'12345'
        assert used(client) == 5

    def test_restores_the_file_once_for_a_repeated_request(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)
        repeated = {'headers': {'Idempotency-Key': 'one'}}

        first = client.post(f'{URL}/{file.id}/restore', **repeated)
        client.delete(f'{URL}/{file.id}')
        second = client.post(f'{URL}/{file.id}/restore', **repeated)

        assert data(second) == data(first)
        assert service.get_file(ada.id, file.id).trashed_at is not None

    @pytest.mark.parametrize('trashed', [True, False])
    def test_returns_412_for_another_version(self, client, ada, trashed):
        file = FileFactory(owner=ada, trashed=trashed)

        response = client.post(f'{URL}/{file.id}/restore', headers={'If-Match': '"2"'})

        fails_with(response, 'etag', status=412)
        assert service.get_file(ada.id, file.id).trashed_at == file.trashed_at

    def test_keeps_a_file_that_is_not_in_the_trash_unchanged(self, client, ada):
        file = FileFactory(owner=ada)

        response = client.post(f'{URL}/{file.id}/restore')

        assert data(response)['version'] == 1

    def test_returns_404_for_a_deleted_file(self, client, ada):
        file = FileFactory(owner=ada)
        client.delete(f'{URL}/{file.id}?permanent=true')

        assert client.post(f'{URL}/{file.id}/restore').status_code == 404


class TestTrashDelete:
    def test_deletes_only_the_files_in_the_own_trash(self, client, ada):
        FileFactory(owner=ada, trashed=True)
        FileFactory(owner=ada, trashed=True)
        live = FileFactory(owner=ada, content=b'12345')

        response = client.delete(f'{URL}/trash')

        assert data(response) is None
        assert names(client.get(f'{URL}?trashed=true')) == []
        assert names(client.get(URL)) == [live.name]

    def test_deletes_the_files_at_once_and_their_rows_later(self, app, client, ada):
        file = FileFactory(owner=ada, content=b'12345', trashed=True)
        url = f'{URL}/{file.id}'

        client.delete(f'{URL}/trash')

        for response in (
            client.get(url), client.get(f'{url}/content'), client.get(f'{url}/versions'),
            client.post(f'{url}/restore'), client.delete(url), client.get(f'{url}/links'),
            client.delete(f'{url}?permanent=true'),
        ):  # fmt: skip
            fails_with(response, 'file', status=404)
        assert used(client) == 5
        run_pending_tasks(app)
        assert used(client) == 0

    def test_runs_as_many_queries_for_50_files_as_for_one(self, app, client, ada, queries):
        FileFactory.create_batch(50, owner=ada, trashed=True, content=b'The same.')

        with queries(max=4):
            client.delete(f'{URL}/trash')

        run_pending_tasks(app)
        assert used(client) == 0

    def test_accepts_an_empty_trash(self, client):
        assert client.delete(f'{URL}/trash').status_code == 200


class TestUsageShow:
    def test_shows_the_sum_of_the_files(self, client, ada, queries):
        FileFactory(owner=ada, content=b'12345')
        FileFactory(owner=ada, content=b'123', trashed=True)
        FileFactory(content=b'1')

        with queries(max=2):
            response = client.get(f'{URL}/usage')

        assert data(response) == {'used': 8, 'reserved': 0, 'quota': QUOTA, 'files': 2}

    def test_shows_zero_for_a_user_without_files(self, client):
        shown = data(client.get(f'{URL}/usage'))

        assert shown == {'used': 0, 'reserved': 0, 'quota': QUOTA, 'files': 0}

    def test_shows_the_sum_after_all_kinds_of_changes(self, app, client):
        ids = [data(raw(client, b'x' * size))['id'] for size in (1, 10, 100, 1000)]
        assert used(client) == 1111

        client.delete(f'{URL}/{ids[0]}')
        client.delete(f'{URL}/{ids[1]}?permanent=true')
        client.delete(f'{URL}/{ids[1]}?permanent=true')
        assert used(client) == 1101

        client.delete(f'{URL}/{ids[2]}')
        client.post(f'{URL}/{ids[2]}/restore')
        client.patch(f'{URL}/{ids[2]}', json={'name': 'renamed', 'tags': ['a']})
        raw(client, b'x' * (LIMIT + 1))
        assert used(client) == 1101

        client.delete(f'{URL}/trash')
        assert used(client) == 1101
        run_pending_tasks(app)
        assert used(client) == 1100


def _body(method):
    return {} if method == 'PATCH' else None
