"""HTTP: list, show, change, delete and restore files, and show how much a user has."""

from uuid import uuid4

import pytest

from project.files import service
from tests.client import data, reasons
from tests.files.factories import FileFactory
from tests.files.routes.file_requests import LIMIT, PNG, QUOTA, URL, fetch, raw, used
from tests.pending_tasks import run_pending_tasks
from tests.users.factories import UserFactory


def names(response):
    """Return the names of a listed page."""
    return [item['name'] for item in data(response)['items']]


class TestFilesGet:
    def test_lists_mine_newest_first(self, client, ada):
        FileFactory(owner=ada, name='old.txt')
        FileFactory(owner=ada, name='new.txt')
        FileFactory(name='somebody else’s.txt')

        response = client.get(URL)

        assert names(response) == ['new.txt', 'old.txt']
        assert data(response)['next'] is None

    def test_shows_each_as_it_is_shown_alone(self, client, ada):
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
    def test_filters(self, client, ada, query, found):
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
    def test_sorts(self, client, ada, sort, order):
        for name, size in (('c', 2), ('a', 3), ('b', 1)):
            FileFactory(owner=ada, name=name, content=b'x' * size)

        assert names(client.get(f'{URL}?sort={sort}')) == order

    @pytest.mark.parametrize('sort', ['name', '-size', '-created_at'])
    def test_reads_pages_over_ties_without_repeating_or_losing_one(self, client, ada, sort):
        for _ in range(5):
            FileFactory(owner=ada, name='same', content=b'same')

        page = client.get(f'{URL}?sort={sort}&limit=2')
        seen = [item['id'] for item in data(page)['items']]
        for _ in range(2):
            page = client.get(page.headers['Link'].removeprefix('<').split('>')[0])
            seen += [item['id'] for item in data(page)['items']]

        assert data(page)['next'] is None
        assert len(seen) == len(set(seen)) == 5

    def test_rejects_another_users_cursor_to_show_their_files(self, client, as_user, ada):
        FileFactory.create_batch(3, owner=ada)
        cursor = data(client.get(f'{URL}?limit=1'))['next']

        response = as_user(UserFactory()).get(f'{URL}?limit=1&cursor={cursor}')

        assert names(response) == []

    def test_rejects_a_cursor_of_another_order(self, client, ada):
        FileFactory.create_batch(2, owner=ada)
        cursor = data(client.get(f'{URL}?limit=1&sort=name'))['next']

        response = client.get(f'{URL}?limit=1&sort=size&cursor={cursor}')

        assert response.status_code == 422
        assert set(reasons(response)) == {'cursor'}

    @pytest.mark.parametrize(
        'query', ['owner_id=1', 'sort=owner_id', 'limit=0', 'limit=201', 'trashed=perhaps', 'name=']
    )
    def test_rejects_what_the_list_does_not_declare(self, client, query):
        response = client.get(f'{URL}?{query}')

        assert response.status_code == 422
        assert set(reasons(response)) == {query.split('=')[0]}

    def test_costs_the_same_for_one_as_for_fifty(self, client, ada, assert_max_queries):
        FileFactory.create_batch(50, owner=ada, tags=['red', 'blue'])

        with assert_max_queries(1):
            assert len(names(client.get(URL))) == 50


class TestFileGet:
    def test_shows_mine_and_its_version(self, client, ada, assert_max_queries):
        file = FileFactory(owner=ada, name='a.txt', tags=['red'])

        with assert_max_queries(1):
            response = client.get(f'{URL}/{file.id}')

        assert data(response)['name'] == 'a.txt'
        assert data(response)['tags'] == ['red']
        assert response.headers['ETag'] == '"1"'

    def test_says_that_nothing_changed(self, client, ada):
        file = FileFactory(owner=ada)

        response = client.get(f'{URL}/{file.id}', headers={'If-None-Match': '"1"'})

        assert response.status_code == 304
        assert response.data == b''

    def test_shows_what_is_in_the_trash(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        assert data(client.get(f'{URL}/{file.id}'))['id'] == str(file.id)


class TestSomebodyElsesFile:
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
    def test_does_not_exist_anywhere(self, client, method, path, trashed):
        bob = UserFactory()
        theirs = FileFactory(owner=bob, trashed=trashed)

        found = client.open(f'{URL}/{theirs.id}{path}', method=method, json=_body(method))
        none = client.open(f'{URL}/{uuid4()}{path}', method=method, json=_body(method))

        assert found.status_code == none.status_code == 404
        assert found.data == none.data
        if method != 'HEAD':
            assert reasons(found) == {'file': ['No such file']}
        assert service.get_file(bob.id, theirs.id) == theirs

    @pytest.mark.parametrize(('method', 'path'), ROUTES)
    def test_an_id_that_is_none_does_not_exist_either(self, client, method, path):
        response = client.open(f'{URL}/1{path}', method=method, json=_body(method))

        assert response.status_code == 404

    def test_stays_when_i_empty_my_trash(self, client):
        bob = UserFactory()
        theirs = FileFactory(owner=bob, trashed=True)

        client.delete(f'{URL}/trash')

        assert service.get_file(bob.id, theirs.id) == theirs


class TestFilePatch:
    def test_changes_only_what_was_sent(self, client, ada):
        file = FileFactory(owner=ada, name='a.txt', tags=['red'])

        renamed = client.patch(f'{URL}/{file.id}', json={'name': 'b.txt'})
        tagged = client.patch(f'{URL}/{file.id}', json={'tags': ['blue', 'green', 'blue']})

        assert data(renamed)['tags'] == ['red']
        assert (data(tagged)['name'], data(tagged)['tags']) == ('b.txt', ['blue', 'green'])
        assert data(client.get(f'{URL}/{file.id}')) == data(tagged)

    def test_counts_versions_and_moves_the_time(self, client, ada):
        file = FileFactory(owner=ada)

        response = client.patch(f'{URL}/{file.id}', json={'name': 'b.txt'})

        assert response.headers['ETag'] == '"2"'
        assert data(response)['version'] == 2
        assert data(response)['updated_at'] > data(response)['created_at']

    def test_takes_all_tags_away(self, client, ada):
        file = FileFactory(owner=ada, tags=['red', 'blue'])

        assert data(client.patch(f'{URL}/{file.id}', json={'tags': []}))['tags'] == []

    def test_makes_a_name_harmless_as_an_upload_does(self, client, ada):
        file = FileFactory(owner=ada)

        response = client.patch(f'{URL}/{file.id}', json={'name': '../../etc/\u200bpasswd'})

        assert data(response)['name'] == 'passwd'

    @pytest.mark.parametrize('condition', ['"1"', '*', '"7", "1"'])
    def test_changes_the_version_that_was_meant(self, client, ada, condition):
        file = FileFactory(owner=ada)

        response = client.patch(
            f'{URL}/{file.id}', json={'name': 'b'}, headers={'If-Match': condition}
        )

        assert response.status_code == 200

    @pytest.mark.parametrize('condition', ['"2"', 'W/"1"', '"nonsense"', '""'])
    def test_rejects_another_version(self, client, ada, condition):
        file = FileFactory(owner=ada, name='a.txt')

        response = client.patch(
            f'{URL}/{file.id}', json={'name': 'b'}, headers={'If-Match': condition}
        )

        assert response.status_code == 412
        assert set(reasons(response)) == {'etag'}
        assert data(client.get(f'{URL}/{file.id}'))['name'] == 'a.txt'

    @pytest.mark.parametrize(
        ('body', 'refused'),
        [
            ({'name': ''}, 'name'),
            ({'name': 'x' * 256}, 'name'),
            ({'name': 7}, 'name'),
            ({'name': None}, 'name'),
            ({'name': 'a\nb'}, 'name'),
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
    def test_rejects_what_does_not_fit(self, client, ada, body, refused):
        file = FileFactory(owner=ada)

        response = client.patch(f'{URL}/{file.id}', json=body)

        assert response.status_code == 422
        assert set(reasons(response)) == {refused}

    def test_does_not_find_what_is_in_the_trash(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        assert client.patch(f'{URL}/{file.id}', json={'name': 'b'}).status_code == 404

    def test_costs_the_same_for_one_tag_as_for_twenty(self, client, ada, assert_max_queries):
        file = FileFactory(owner=ada)

        with assert_max_queries(5):
            response = client.patch(
                f'{URL}/{file.id}', json={'tags': [f'tag{n}' for n in range(20)]}
            )

        assert len(data(response)['tags']) == 20


class TestFileDelete:
    def test_puts_it_to_the_trash_where_it_still_counts(self, client, ada):
        file = FileFactory(owner=ada, content=b'12345')

        response = client.delete(f'{URL}/{file.id}')

        assert data(response) is None
        assert names(client.get(URL)) == []
        assert names(client.get(f'{URL}?trashed=true')) == [file.name]
        assert client.get(f'{URL}/{file.id}/content').status_code == 404
        assert used(client) == 5

    def test_deletes_for_good(self, client, ada):
        file = FileFactory(owner=ada, content=b'12345')

        response = client.delete(f'{URL}/{file.id}?permanent=true')

        assert data(response) is None
        assert client.get(f'{URL}/{file.id}').status_code == 404
        assert names(client.get(f'{URL}?trashed=true')) == []
        assert used(client) == 0

    def test_deletes_for_good_what_is_in_the_trash(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        assert client.delete(f'{URL}/{file.id}?permanent=true').status_code == 200
        assert used(client) == 0

    @pytest.mark.parametrize('query', ['', '?permanent=true'])
    def test_rejects_another_version(self, client, ada, query):
        file = FileFactory(owner=ada)

        response = client.delete(f'{URL}/{file.id}{query}', headers={'If-Match': '"2"'})

        assert response.status_code == 412
        assert names(client.get(URL)) == [file.name]

    @pytest.mark.parametrize('query', ['', '?permanent=true'])
    def test_deletes_the_version_that_was_meant(self, client, ada, query):
        file = FileFactory(owner=ada)

        response = client.delete(f'{URL}/{file.id}{query}', headers={'If-Match': '"1"'})

        assert response.status_code == 200
        assert names(client.get(URL)) == []

    def test_rejects_another_version_of_what_is_in_the_trash(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        response = client.delete(f'{URL}/{file.id}', headers={'If-Match': '"2"'})

        assert response.status_code == 412

    def test_to_put_it_to_the_trash_twice_is_fine(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        assert client.delete(f'{URL}/{file.id}').status_code == 200
        assert service.get_file(ada.id, file.id).trashed_at == file.trashed_at

    @pytest.mark.parametrize('query', ['permanent=perhaps', 'force=true'])
    def test_rejects_a_query_that_does_not_fit(self, client, ada, query):
        file = FileFactory(owner=ada)

        assert client.delete(f'{URL}/{file.id}?{query}').status_code == 422

    def test_costs_little(self, client, ada, assert_max_queries):
        one, other = FileFactory.create_batch(2, owner=ada)

        with assert_max_queries(2):
            trashed = client.delete(f'{URL}/{one.id}')
        with assert_max_queries(6):
            deleted = client.delete(f'{URL}/{other.id}?permanent=true')

        assert (trashed.status_code, deleted.status_code) == (200, 200)


class TestFileRestore:
    def test_takes_it_out_of_the_trash(self, client, ada):
        file = FileFactory(owner=ada, content=b'12345', trashed=True)

        response = client.post(f'{URL}/{file.id}/restore')

        assert data(response)['id'] == str(file.id)
        assert response.headers['ETag'] == '"2"'
        assert names(client.get(URL)) == [file.name]
        assert fetch(client, f'{URL}/{file.id}/content').data == b'12345'
        assert used(client) == 5

    @pytest.mark.parametrize('trashed', [True, False])
    def test_rejects_another_version(self, client, ada, trashed):
        file = FileFactory(owner=ada, trashed=trashed)

        response = client.post(f'{URL}/{file.id}/restore', headers={'If-Match': '"2"'})

        assert response.status_code == 412
        assert set(reasons(response)) == {'etag'}
        assert service.get_file(ada.id, file.id).trashed_at == file.trashed_at

    def test_leaves_what_is_not_in_the_trash_as_it_is(self, client, ada):
        file = FileFactory(owner=ada)

        response = client.post(f'{URL}/{file.id}/restore')

        assert data(response)['version'] == 1

    def test_does_not_bring_back_what_was_deleted_for_good(self, client, ada):
        file = FileFactory(owner=ada)
        client.delete(f'{URL}/{file.id}?permanent=true')

        assert client.post(f'{URL}/{file.id}/restore').status_code == 404


class TestTrashDelete:
    def test_empties_my_trash_and_nothing_else(self, client, ada):
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
            assert (response.status_code, set(reasons(response))) == (404, {'file'})
        assert used(client) == 5
        run_pending_tasks(app)
        assert used(client) == 0

    def test_costs_the_same_for_one_as_for_fifty(self, app, client, ada, assert_max_queries):
        FileFactory.create_batch(50, owner=ada, trashed=True, content=b'The same.')

        with assert_max_queries(4):
            client.delete(f'{URL}/trash')

        run_pending_tasks(app)
        assert used(client) == 0

    def test_an_empty_one_is_fine(self, client):
        assert client.delete(f'{URL}/trash').status_code == 200


class TestUsageShow:
    def test_is_the_sum_of_what_is_there(self, client, ada, assert_max_queries):
        FileFactory(owner=ada, content=b'12345')
        FileFactory(owner=ada, content=b'123', trashed=True)
        FileFactory(content=b'1')

        with assert_max_queries(2):
            response = client.get(f'{URL}/usage')

        assert data(response) == {'used': 8, 'reserved': 0, 'quota': QUOTA, 'files': 2}

    def test_is_nothing_for_who_never_had_anything(self, client):
        shown = data(client.get(f'{URL}/usage'))

        assert shown == {'used': 0, 'reserved': 0, 'quota': QUOTA, 'files': 0}

    def test_stays_the_sum_through_everything_that_can_happen(self, app, client):
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
