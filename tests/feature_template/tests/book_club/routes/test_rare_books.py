"""HTTP: list, create, show, change and delete rare books."""

from enum import Enum
from uuid import uuid4

import pytest

from project.book_club.models import RareBook
from project.book_club.permissions import READ
from tests.book_club.factories import RareBookFactory
from tests.kit.responses import data, fails_with
from tests.users.factories import UserFactory

URL = '/api/v1/book-club/rare-books'

SORTS = (
    'title',
    'shelf_mark',
    'summary',
    'page_count',
    'price',
    'signed',
    'printed_on',
    'found_at',
    'lot',
    'condition',
    'dealer_id',
    'created_at',
)

FILTERS: tuple[str, ...] = (
    'title',
    'shelf_mark',
    'subtitle',
    'page_count',
    'signed',
    'printed_on',
    'lot',
    'condition',
    'dealer_id',
)

INVALID = {
    'title': '',
    'shelf_mark': '',
    'subtitle': '',
    'summary': 7,
    'page_count': '1',
    'price': '12.505',
    'signed': 'true',
    'printed_on': '2026-02-30',
    'found_at': '2026-11-29',
    'lot': '1',
    'details': [],
    'condition': 'unknown',
    'dealer_id': 'ada',
}


def body_for(owner):
    """Return the body of a request that creates a rare book."""
    return {
        'title': 'Text',
        'shelf_mark': 'Text',
        'subtitle': 'Text',
        'summary': 'First line\nSecond line',
        'page_count': 12,
        'price': '12.50',
        'signed': True,
        'printed_on': '2099-11-29',
        'found_at': '2099-11-29T08:30:00Z',
        'lot': str(uuid4()),
        'details': {'colours': ['red', 'green']},
        'condition': 'damaged',
        'dealer_id': UserFactory().id,
    }


def pages_of(client, sort):
    """Return the ids on each page of a list with three rows a page."""
    pages, query = [], {'sort': sort, 'limit': 3}
    while query:
        page = data(client.get(URL, query_string=query))
        pages.append([item['id'] for item in page['items']])
        query = page['next'] and {**query, 'cursor': page['next']}
    return pages


def in_pages(ids):
    """Return ids in lists of three."""
    return [ids[start : start + 3] for start in range(0, len(ids), 3)]


def sort_key(row, name):
    """Return the key by which the database sorts a row; it stores the names of enumerations."""
    value = getattr(row, name)
    return value.name if isinstance(value, Enum) else value, row.id


@pytest.fixture
def ada():
    """Return a user."""
    return UserFactory()


@pytest.fixture
def client(as_user, ada):
    """Return a client with the credential of ada."""
    return as_user(ada)


class TestRareBooksGet:
    def test_lists_only_rare_books_of_the_caller(self, client, ada, queries):
        rare_books = [RareBookFactory(owner=ada) for _ in range(2)]
        RareBookFactory()

        with queries(max=1):
            response = client.get(URL)

        assert [item['id'] for item in data(response)['items']] == [
            str(rare_book.id) for rare_book in reversed(rare_books)
        ]

    def test_shows_each_rare_book_as_its_own_url_does(self, client, ada):
        rare_book = RareBookFactory(owner=ada)

        [listed] = data(client.get(URL))['items']

        assert listed == data(client.get(f'{URL}/{rare_book.id}'))

    def test_filters_rare_books(self, client, ada):
        rare_books = [RareBookFactory(owner=ada) for _ in range(2)]
        shown = data(client.get(f'{URL}/{rare_books[0].id}'))

        for name in FILTERS:
            found = data(client.get(URL, query_string={name: shown[name]}))['items']

            assert shown in found, name
            assert {item[name] for item in found} == {shown[name]}

    def test_lists_each_rare_book_once_on_three_pages(self, client, ada):
        rows = {str(row.id): row for row in (RareBookFactory(owner=ada) for _ in range(7))}

        for name in SORTS:
            pages = pages_of(client, name)

            listed = [rows[key] for page in pages for key in page]
            assert [len(page) for page in pages] == [3, 3, 1]
            assert listed == sorted(rows.values(), key=lambda row: sort_key(row, name)), name
            assert pages_of(client, f'-{name}') == in_pages([str(row.id) for row in listed][::-1])


class TestRareBooksPost:
    def test_creates_one_rare_book_for_a_repeated_request(self, client, ada):
        body = body_for(ada)

        first, second = (
            client.post(URL, json=body, headers={'Idempotency-Key': 'one'}) for _ in range(2)
        )

        assert data(second) == data(first)
        assert second.headers['Idempotency-Replayed'] == 'true'

    def test_creates_a_rare_book(self, client, ada):
        body = body_for(ada)

        response = client.post(URL, json=body)

        assert response.status_code == 201
        created = data(response)
        assert {name: created[name] for name in body} == body
        assert data(client.get(response.headers['Location'])) == created

    def test_rejects_invalid_values(self, client, ada):
        response = client.post(URL, json={**body_for(ada), **INVALID})

        fails_with(response, *INVALID)

    def test_needs_the_scope_of_an_api_key(self, as_key, ada):
        key = as_key(ada, scopes={READ})

        response = key.post(URL, json=body_for(ada))

        assert key.get(URL).status_code == 200
        fails_with(response, 'scope', status=403)


class TestRareBookGet:
    def test_returns_404_for_a_rare_book_of_another_user(self, client):
        response = client.get(f'{URL}/{RareBookFactory().id}')

        fails_with(response, 'rare_book', status=404, reason='No such rare book')


class TestRareBookPatch:
    def test_changes_only_fields_of_the_request(self, client, ada):
        rare_book = RareBookFactory(owner=ada)
        before = data(client.get(f'{URL}/{rare_book.id}'))

        for name, value in body_for(ada).items():
            response = client.patch(f'{URL}/{rare_book.id}', json={name: value})
            changed = {name: value, 'version': before['version'] + 1}
            after = data(response)
            assert after == {**before, **changed, 'updated_at': after['updated_at']}
            before = after

        assert data(client.get(f'{URL}/{rare_book.id}')) == before

    def test_returns_412_for_another_version(self, client, ada):
        url = f'{URL}/{RareBookFactory(owner=ada).id}'
        etag = client.get(url).headers['ETag']
        client.patch(url, json={})

        response = client.patch(url, json={}, headers={'If-Match': etag})

        fails_with(response, 'etag', status=412)


class TestRareBookDelete:
    def test_deletes_a_rare_book(self, client, ada):
        rare_book = RareBookFactory(owner=ada)

        response = client.delete(f'{URL}/{rare_book.id}')

        assert response.status_code == 200
        assert RareBook.find_owned(ada.id, rare_book.id) is None

    def test_returns_404_for_a_rare_book_of_another_user(self, client):
        rare_book = RareBookFactory()

        response = client.delete(f'{URL}/{rare_book.id}')

        assert response.status_code == 404
        assert RareBook.find_owned(rare_book.owner_id, rare_book.id) is not None
