"""Everything under /api/v1/files."""

import errno
import io
import os
import time
import tracemalloc
from base64 import b64decode
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from werkzeug.datastructures import FileStorage
from werkzeug.http import parse_options_header
from werkzeug.test import encode_multipart

from project.core.database.session import db
from project.files import service
from project.files.models import File, Usage, Version
from tests.client import data, reasons
from tests.users.factories import UserFactory

from .factories import FileFactory

URL = '/api/v1/files'
PNG = b'\x89PNG\r\n\x1a\n' + b'\0' * 64
LIMIT = 1_000_000
QUOTA = 3_000_000


@pytest.fixture
def client(as_user, ada):
    """A client that is Ada."""
    return as_user(ada)


def multipart(client, content=b'Hello.', filename='hello.txt', query=None, **fields):
    """Upload a form with a file."""
    # Encoded by hand: the test client would leave a temporary file open.
    file = FileStorage(BytesIO(content), filename)
    boundary, body = encode_multipart({**fields, 'file': file})
    type = f'multipart/form-data; boundary="{boundary}"'
    return client.post(URL, data=body, content_type=type, query_string=query)


def raw(client, content=b'Hello.', *, type='application/octet-stream', **query):
    """Upload bytes as they are."""
    return client.post(URL, data=content, content_type=type, query_string=query)


def chunked(client, content, **query):
    """Upload bytes whose length nobody announced."""
    return client.post(
        URL,
        input_stream=BytesIO(content),
        content_type='application/octet-stream',
        query_string=query,
        environ_overrides={'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
    )


def fetch(client, url, method='GET', **headers):
    """Read bytes to their end, so that whoever gives them can close what they come from."""
    headers = {name.replace('_', '-'): value for name, value in headers.items()}
    return client.open(url, method=method, headers=headers, buffered=True)


def names(response):
    """Return the names of a listed page."""
    return [item['name'] for item in data(response)['items']]


def used(client):
    """Return what the ledger says, having checked that it is the sum of what is there."""
    usage = data(client.get(f'{URL}/usage'))
    booked = dict(db.session.execute(select(Usage.user_id, Usage.used)).all())
    sums = select(File.owner_id, func.sum(Version.size)).join(Version, Version.file_id == File.id)
    sums = sums.group_by(File.owner_id)
    there = {owner: int(size) for owner, size in db.session.execute(sums)}
    assert {owner: size for owner, size in booked.items() if size} == {
        owner: size for owner, size in there.items() if size
    }
    return usage['used']


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


class TestFilesPost:
    def test_takes_a_form(self, client):
        response = multipart(client, b'Hello.', 'hello.txt', tags='red, green,red')

        shown = data(response)
        assert response.status_code == 201
        assert response.headers['Location'] == f'{URL}/{shown["id"]}'
        assert shown == {
            'id': shown['id'],
            'name': 'hello.txt',
            'size': 6,
            'type': 'text/plain',
            'sha256': sha256(b'Hello.').hexdigest(),
            'version': 1,
            'tags': ['green', 'red'],
            'created_at': shown['created_at'],
            'updated_at': shown['updated_at'],
        }
        assert data(client.get(response.headers['Location'])) == shown

    def test_says_when_it_came(self, client):
        before = datetime.now(UTC)

        created_at = data(raw(client))['created_at']

        assert created_at.endswith('Z')
        assert before <= datetime.fromisoformat(created_at) <= datetime.now(UTC)

    @pytest.mark.parametrize(
        ('fields', 'query', 'filename', 'name'),
        [
            ({'name': 'form.txt'}, {'name': 'query.txt'}, 'file.txt', 'form.txt'),
            ({}, {'name': 'query.txt'}, 'file.txt', 'query.txt'),
            ({}, {}, 'file.txt', 'file.txt'),
            ({'name': ''}, {}, 'file.txt', 'file.txt'),
            ({}, {}, '../../etc/passwd', 'passwd'),
        ],
    )
    def test_takes_the_name_from_the_form_the_query_or_the_file(
        self, client, fields, query, filename, name
    ):
        assert data(multipart(client, b'x', filename, query, **fields))['name'] == name

    def test_calls_what_nobody_named_unnamed(self, client):
        assert data(raw(client))['name'] == 'unnamed'

    def test_takes_a_body_as_it_is_under_the_name_in_the_query(self, client):
        response = raw(client, PNG, name='a.png')

        assert response.status_code == 201
        assert data(response)['name'] == 'a.png'
        assert data(response)['tags'] == []
        assert fetch(client, f'{response.headers["Location"]}/content').data == PNG

    @pytest.mark.parametrize(
        'type',
        [
            'application/json',
            'application/x-www-form-urlencoded',
            'text/html; charset=utf-16',
            'multipart/mixed; boundary=x',
            'image/svg+xml',
            'nonsense',
            '',
        ],
    )
    def test_takes_any_content_type_and_believes_none(self, client, type):
        content = b'{"not": json, &a=b'

        response = raw(client, content, type=type)

        assert data(response)['type'] == 'text/plain'
        assert fetch(client, f'{response.headers["Location"]}/content').data == content

    def test_tells_the_type_from_the_bytes_and_not_from_the_name(self, client):
        assert data(multipart(client, PNG, 'page.html'))['type'] == 'image/png'
        assert data(multipart(client, b'<html>', 'image.png'))['type'] == 'text/plain'

    @pytest.mark.parametrize('way', [raw, chunked])
    def test_takes_no_bytes_for_a_file_of_none(self, client, way):
        response = way(client, b'')

        assert data(response)['size'] == 0
        assert fetch(client, f'{response.headers["Location"]}/content').data == b''

    def test_takes_a_stream_whose_length_nobody_announced(self, client):
        content = os.urandom(LIMIT)

        response = chunked(client, content, name='stream')

        assert data(response)['size'] == LIMIT
        assert data(response)['sha256'] == sha256(content).hexdigest()

    @pytest.mark.parametrize('way', [raw, chunked, multipart])
    def test_takes_exactly_the_largest_file_and_rejects_one_byte_more(self, client, way, incoming):
        assert way(client, b'x' * LIMIT).status_code == 201

        response = way(client, b'x' * (LIMIT + 1))

        assert response.status_code == 413
        assert set(reasons(response)) == {'size'}
        assert incoming() == []
        assert used(client) == LIMIT

    @pytest.mark.parametrize('way', [raw, chunked, multipart])
    def test_rejects_far_too_much(self, client, way, incoming, kept):
        response = way(client, b'x' * (3 * LIMIT))

        assert response.status_code == 413
        assert set(reasons(response)) == {'size'}
        assert (incoming(), kept()) == ([], [])

    def test_rejects_what_is_announced_as_too_large_without_reading_it(self, client, incoming):
        class Unread(BytesIO):
            def read(self, size=-1):
                pytest.fail('it was read')

        response = client.post(
            URL, input_stream=Unread(), environ_overrides={'CONTENT_LENGTH': str(LIMIT + 1)}
        )

        assert response.status_code == 413
        assert set(reasons(response)) == {'size'}
        assert incoming() == []

    @pytest.mark.parametrize('way', [raw, chunked, multipart])
    def test_fills_the_quota_to_the_byte_and_no_further(self, client, way, incoming):
        for size in (LIMIT, LIMIT, LIMIT - 1):
            assert way(client, b'x' * size).status_code == 201

        response = way(client, b'12')

        assert response.status_code == 413
        assert reasons(response) == {'quota': ['No room left in your quota']}
        assert way(client, b'1').status_code == 201
        assert way(client, b'').status_code == 201
        assert way(client, b'1').status_code == 413
        assert used(client) == QUOTA
        assert incoming() == []

    def test_counts_bytes_that_somebody_else_has_too(self, client, as_user):
        other = as_user(UserFactory())

        raw(client, b'The same.')
        raw(other, b'The same.')

        assert (used(client), used(other)) == (9, 9)

    def test_stores_the_same_bytes_once_for_everybody(self, client, as_user, kept):
        responses = [raw(one, b'The same.') for one in (client, client, as_user(UserFactory()))]

        assert len({data(r)['id'] for r in responses}) == 3
        assert kept() == [sha256(b'The same.').hexdigest()]

    @pytest.mark.parametrize(
        ('form', 'refused'),
        [
            ({}, 'file'),
            ({'name': 'a.txt'}, 'file'),
            ({'file': 'text'}, 'file'),
            ({'file': [(BytesIO(b'1'), 'a'), (BytesIO(b'2'), 'b')]}, 'file'),
            ({'file': ['text', (BytesIO(b'2'), 'b')]}, 'file'),
            ({'file': (BytesIO(b'1'), 'a'), 'name': ['b', 'c']}, 'name'),
            ({'file': (BytesIO(b'1'), 'a'), 'name': (BytesIO(b'1'), 'a')}, 'name'),
            ({'file': (BytesIO(b'1'), 'a'), 'owner_id': '1'}, 'owner_id'),
            ({'file': (BytesIO(b'1'), 'a'), 'name': 'x' * 256}, 'name'),
            ({'file': (BytesIO(b'1'), 'a'), 'name': 'x' * 1025}, 'name'),
            ({'file': (BytesIO(b'1'), 'x' * 256)}, 'name'),
            ({'file': (BytesIO(b'1'), 'a'), 'tags': 'two words'}, 'tags'),
            ({'file': (BytesIO(b'1'), 'a'), 'tags': 'x' * 33}, 'tags'),
            ({'file': (BytesIO(b'1'), 'a'), 'tags': ','.join(map(str, range(21)))}, 'tags'),
        ],
    )
    def test_rejects_a_form_that_does_not_fit(self, client, form, refused, incoming, kept):
        # A stream that an earlier run of this row has read is given anew.
        fresh = {key: _anew(value) for key, value in form.items()}

        response = client.post(URL, data=fresh, content_type='multipart/form-data')

        assert response.status_code == 422
        assert set(reasons(response)) == {refused}
        assert (incoming(), kept()) == ([], [])

    def test_rejects_a_form_of_more_than_twenty_parts(self, client, incoming):
        fields = {f'field{n}': '' for n in range(20)}

        response = multipart(client, **fields)

        assert response.status_code == 413
        assert set(reasons(response)) == {'size'}
        assert incoming() == []

    def test_rejects_a_form_field_that_is_no_file_and_too_large(self, client):
        response = multipart(client, name='x' * 100_000)

        assert response.status_code == 413
        assert set(reasons(response)) == {'size'}

    @pytest.mark.parametrize(
        'body', [b'', b'nonsense', b'--x\r\n', b'--x\r\nContent-Disposition: form-data\r\n\r\n']
    )
    def test_rejects_a_form_that_is_none(self, client, body):
        response = raw(client, body, type='multipart/form-data; boundary=x')

        assert response.status_code in (400, 413, 422)
        assert reasons(response)

    def test_rejects_a_form_without_a_boundary(self, client):
        response = raw(client, b'Hello.', type='multipart/form-data')

        assert response.status_code in (400, 422)
        assert reasons(response)

    @pytest.mark.parametrize('query', ['name=a&name=b', 'tags=red', f'name={"x" * 256}'])
    def test_rejects_a_query_that_does_not_fit(self, client, query):
        response = client.post(f'{URL}?{query}', data=b'Hello.')

        assert response.status_code == 422
        assert set(reasons(response)) == {query.split('=')[0]}

    def test_gives_back_what_a_form_reserved_that_is_rejected_after_its_file(
        self, client, incoming, kept
    ):
        response = multipart(client, b'x' * 100_000, tags='one,two words')

        assert (response.status_code, set(reasons(response))) == (422, {'tags'})
        assert (incoming(), kept()) == ([], [])
        assert data(client.get(f'{URL}/usage'))['reserved'] == 0

    def test_leaves_nothing_of_an_upload_that_broke_off(self, client, incoming, kept):
        class Gone(BytesIO):
            def read(self, size=-1):
                raise ConnectionResetError

        response = client.post(
            URL, input_stream=Gone(), environ_overrides={'CONTENT_LENGTH': '100'}
        )

        assert response.status_code == 400
        assert (incoming(), kept()) == ([], [])
        assert used(client) == 0

    @pytest.mark.parametrize('server', [{}, {'wsgi.input_terminated': True}])
    def test_leaves_nothing_of_an_upload_that_ended_too_early(self, client, server, incoming, kept):
        response = client.post(
            URL,
            input_stream=BytesIO(b'half'),
            environ_overrides={'CONTENT_LENGTH': '8', **server},
        )

        assert response.status_code == 400
        assert set(reasons(response)) == {'request'}
        assert (incoming(), kept()) == ([], [])

    @pytest.mark.parametrize('way', [raw, chunked, multipart])
    def test_says_its_version(self, client, way):
        response = way(client, b'Hello.')

        assert response.headers['ETag'] == '"1"'
        assert client.get(response.location).headers['ETag'] == '"1"'

    @pytest.mark.parametrize('way', [raw, multipart])
    @pytest.mark.parametrize(('room', 'key'), [(100_000, 'quota'), (QUOTA, 'size')])
    def test_reads_nothing_of_what_is_announced_and_cannot_fit(
        self, client, incoming, way, room, key
    ):
        for size in (LIMIT, LIMIT, LIMIT - 100_000) if room < LIMIT else ():
            assert raw(client, b'x' * size).status_code == 201
        size = 3 * LIMIT if key == 'size' else room + 100_000
        body = Endless(size)
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        head = form if way is multipart else b''

        response = client.post(
            URL,
            input_stream=Chain(head, body),
            content_type='multipart/form-data; boundary=x' if head else 'image/png',
            environ_overrides={'CONTENT_LENGTH': str(len(head) + size)},
        )

        assert response.status_code == 413
        assert set(reasons(response)) == {key}
        # A block of a form holds the name of the field.
        assert size - body.left <= (64 * 1024 if head else 0)
        assert incoming() == []

    def test_writes_no_more_of_a_form_than_the_quota_allows(self, client, incoming):
        for size in (LIMIT, LIMIT, LIMIT - 100_000):
            assert raw(client, b'x' * size).status_code == 201
        largest = []

        class Watched(BytesIO):
            def readinto(self, buffer):
                largest.extend(path.stat().st_size for path in incoming())
                return super().readinto(buffer)

        part = b'--x\r\nContent-Disposition: form-data; name="%b"; filename="a"\r\n\r\n%b\r\n'
        body = part % (b'other', b'x' * 200_000) + part % (b'file', b'x' * 500_000) + b'--x--\r\n'
        response = client.post(
            URL,
            input_stream=Watched(body),
            content_type='multipart/form-data; boundary=x',
            environ_overrides={'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
        )

        assert response.status_code == 413
        assert set(reasons(response)) == {'quota'}
        assert 0 < max(largest) <= 100_000
        assert incoming() == []

    def test_takes_any_bytes_in_a_form(self, client):
        # A block that ends like this may be the beginning of a boundary.
        content = b'\r\n--' * (LIMIT // 4)

        response = multipart(client, content)

        assert data(response)['sha256'] == sha256(content).hexdigest()

    def test_writes_a_form_once(self, client, monkeypatch, incoming):
        def spooled(*_, **__):
            pytest.fail('it was written twice')

        monkeypatch.setattr('werkzeug.formparser.SpooledTemporaryFile', spooled)
        content = os.urandom(LIMIT)

        response = multipart(client, content)

        assert data(response)['sha256'] == sha256(content).hexdigest()
        assert incoming() == []

    @pytest.mark.parametrize('way', [raw, chunked, multipart])
    @pytest.mark.parametrize('full', [errno.ENOSPC, errno.EDQUOT])
    def test_says_that_the_disk_is_full(self, client, monkeypatch, incoming, kept, var, full, way):
        class FullDisk(io.FileIO):
            def write(self, data):
                raise OSError(full, os.strerror(full))

        with monkeypatch.context() as disk:
            disk.setattr('pathlib.Path.open', lambda path, mode, **_: FullDisk(path, mode))
            # What a form without a sink of its own is written to.
            disk.setattr('tempfile.TemporaryFile', lambda *_, **__: FullDisk(var / 'full', 'w+'))
            response = way(client, b'x' * 600_000)

        assert response.status_code == 507
        assert response.json == {
            'status': 'error',
            'message': 'Insufficient Storage',
            'code': 507,
        }
        assert (incoming(), kept()) == ([], [])
        assert used(client) == 0

    def test_says_that_it_cannot_when_bytes_do_not_get_durable(self, client, monkeypatch, kept):
        def fail(_descriptor):
            raise OSError(errno.EIO, 'Input/output error')

        monkeypatch.setattr(os, 'fsync', fail)

        response = raw(client)

        assert response.status_code == 503
        assert response.json['status'] == 'error'
        assert kept() == []

    def test_needs_no_more_memory_for_more_bytes(self, client, app, monkeypatch, var):
        size = 50_000_000
        monkeypatch.setitem(app.config, 'FILES_MAX_SIZE', size)
        monkeypatch.setitem(app.config, 'FILES_QUOTA', size)
        raw(client)

        tracemalloc.start()
        try:
            response = client.post(
                URL,
                input_stream=Endless(size - 6),
                environ_overrides={'CONTENT_LENGTH': str(size - 6)},
            )
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert data(response)['size'] == size - 6
        assert peak < 5_000_000

    def test_costs_the_same_whatever_comes(self, client, assert_max_queries):
        raw(client, b'The first makes the account.')

        # Room reserved before, in one transaction; all of it admitted after, in another.
        with assert_max_queries(10):
            plain = raw(client, b'x' * 100_000)
        with assert_max_queries(14):
            form = multipart(client, b'x' * 100_000, tags=','.join(map(str, range(20))))

        # A refusal would be cheap, too.
        assert (plain.status_code, form.status_code) == (201, 201)

    def test_rejects_nobody_before_it_reads_a_byte(self, app, incoming):
        class Unread(BytesIO):
            def read(self, size=-1):
                pytest.fail('it was read')

        response = app.test_client().post(
            URL, input_stream=Unread(), environ_overrides={'CONTENT_LENGTH': '10'}
        )

        assert response.status_code == 401
        assert incoming() == []


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
        with assert_max_queries(5):
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
        assert used(client) == 5

    def test_costs_the_same_for_one_as_for_fifty(self, client, ada, assert_max_queries):
        FileFactory.create_batch(50, owner=ada, trashed=True, content=b'The same.')

        with assert_max_queries(5):
            client.delete(f'{URL}/trash')

        assert used(client) == 0

    def test_an_empty_one_is_fine(self, client):
        assert client.delete(f'{URL}/trash').status_code == 200


class TestFileContent:
    CONTENT = b'0123456789'
    ETAG = f'"{sha256(CONTENT).hexdigest()}"'

    @pytest.fixture
    def url(self, ada):
        return f'{URL}/{FileFactory(owner=ada, content=self.CONTENT, name="ten.txt").id}/content'

    def test_gives_the_bytes_and_what_they_are(self, client, url, assert_max_queries):
        with assert_max_queries(1):
            response = fetch(client, url)

        assert response.status_code == 200
        assert response.data == self.CONTENT
        assert response.headers['Content-Length'] == '10'
        assert response.headers['Content-Type'].startswith('text/plain')
        assert response.headers['Content-Disposition'] == 'attachment; filename="ten.txt"'
        assert response.headers['ETag'] == self.ETAG
        assert response.headers['Accept-Ranges'] == 'bytes'
        digest = response.headers['Repr-Digest'].removeprefix('sha-256=:').removesuffix(':')
        assert b64decode(digest) == sha256(self.CONTENT).digest()

    def test_says_the_same_without_the_bytes(self, client, url):
        whole, head = fetch(client, url), fetch(client, url, 'HEAD', Range='bytes=2-4')

        assert (head.status_code, head.data) == (200, b'')
        same = ('Content-Length', 'ETag', 'Repr-Digest', 'Content-Disposition', 'Content-Type')
        assert [head.headers[n] for n in same] == [whole.headers[n] for n in same]

    @pytest.mark.parametrize(
        ('wanted', 'part', 'where'),
        [
            ('bytes=0-3', b'0123', '0-3'),
            ('bytes=0-0', b'0', '0-0'),
            ('bytes=4-', b'456789', '4-9'),
            ('bytes=-3', b'789', '7-9'),
            ('bytes=-100', b'0123456789', '0-9'),
            ('bytes=9-100', b'9', '9-9'),
        ],
    )
    def test_gives_a_range(self, client, url, wanted, part, where):
        response = fetch(client, url, Range=wanted)

        assert response.status_code == 206
        assert response.data == part
        assert response.headers['Content-Range'] == f'bytes {where}/10'
        assert response.headers['Content-Length'] == str(len(part))
        assert response.headers['ETag'] == self.ETAG

    @pytest.mark.parametrize(
        'wanted', ['bytes=0-1,4-5', 'lines=0-3', 'bytes=', 'bytes=5-2', 'bytes', 'bytes=a-b']
    )
    def test_ignores_ranges_it_does_not_know(self, client, url, wanted):
        response = fetch(client, url, Range=wanted)

        assert (response.status_code, response.data) == (200, self.CONTENT)

    @pytest.mark.parametrize('wanted', ['bytes=10-', 'bytes=100-200'])
    def test_rejects_a_range_behind_the_end(self, client, url, wanted):
        response = fetch(client, url, Range=wanted)

        assert response.status_code == 416
        assert response.headers['Content-Range'] == 'bytes */10'
        assert set(reasons(response)) == {'range'}

    @pytest.mark.parametrize(
        ('condition', 'status'),
        [(ETAG, 206), ('"other"', 200), (f'W/{ETAG}', 200), ('Mon, 23 Nov 2026 08:00:00 GMT', 200)],
    )
    def test_gives_a_range_only_of_the_bytes_that_were_meant(self, client, url, condition, status):
        headers = {'Range': 'bytes=0-3', 'If-Range': condition}

        assert fetch(client, url, **headers).status_code == status

    @pytest.mark.parametrize('method', ['GET', 'HEAD'])
    @pytest.mark.parametrize('condition', [ETAG, f'W/{ETAG}', f'"a", {ETAG}', '*'])
    def test_says_that_nothing_changed(self, client, url, method, condition):
        response = fetch(client, url, method=method, **{'If-None-Match': condition})

        assert (response.status_code, response.data) == (304, b'')
        assert response.headers['ETag'] == self.ETAG

    def test_gives_the_bytes_when_others_are_known(self, client, url):
        response = fetch(client, url, **{'If-None-Match': '"other"'})

        assert response.data == self.CONTENT

    def test_does_not_give_what_is_in_the_trash(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        assert fetch(client, f'{URL}/{file.id}/content').status_code == 404

    def test_says_in_a_line_of_json_that_bytes_are_missing(self, client, url, kept, var):
        [lost] = kept()
        (var / 'storage' / 'blobs' / lost[:2] / lost[2:4] / lost).unlink()

        response = fetch(client, url)

        assert response.status_code == 503
        assert response.json['status'] == 'error'
        assert str(var) not in response.text

    @pytest.mark.parametrize(
        'headers',
        [
            {},
            {'Range': 'bytes=0-3'},
            {'Range': 'bytes=99-'},
            {'If-None-Match': ETAG},
        ],
    )
    @pytest.mark.parametrize('query', ['', '?inline=true'])
    def test_nothing_in_the_bytes_runs(self, client, url, headers, query):
        assert_inert(fetch(client, url + query, **headers))

    @pytest.mark.parametrize(
        ('content', 'shown'),
        [
            (PNG, 'inline'),
            (b'plain', 'inline'),
            (b'%PDF-1.7\n', 'attachment'),
            (b'PK\x03\x04' + b'\0' * 32, 'attachment'),
            (b'\0\1\2', 'attachment'),
        ],
    )
    def test_shows_only_harmless_types_in_place(self, client, ada, content, shown):
        url = f'{URL}/{FileFactory(owner=ada, content=content).id}/content'

        inline, plain = fetch(client, f'{url}?inline=true'), fetch(client, url)

        assert inline.headers['Content-Disposition'].split(';')[0] == shown
        assert plain.headers['Content-Disposition'].split(';')[0] == 'attachment'

    @pytest.mark.parametrize(
        ('content', 'name'),
        [
            (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 'a.svg'),
            (b'<!doctype html><script>alert(1)</script>', 'a.html'),
            (b'<html>' + b' ' * 9000, 'a.htm'),
        ],
    )
    def test_never_shows_markup_as_markup(self, client, content, name):
        uploaded = multipart(client, content, name)

        response = fetch(client, f'{uploaded.headers["Location"]}/content?inline=true')

        assert response.mimetype == 'text/plain'
        assert_inert(response)

    @pytest.mark.parametrize('query', ['inline=perhaps', 'download=1', 'inline=1&inline=0'])
    def test_rejects_a_query_that_does_not_fit(self, client, url, query):
        assert fetch(client, f'{url}?{query}').status_code == 422

    @pytest.mark.parametrize(
        ('name', 'shown'),
        [
            ('a.txt', 'a.txt'),
            ('a"b\\".txt', '".txt'),
            ('quo"te.txt', 'quo"te.txt'),
            ('semi;colon=1.txt', 'semi;colon=1.txt'),
            ('a\r\nX-Evil: 1.txt', 'aX-Evil: 1.txt'),
            ('gpj.\u202eexe', 'gpj.exe'),
            ('🦄 unicorn.txt', '🦄 unicorn.txt'),
            ('Grüße.txt', 'Grüße.txt'),
            ("%0d%0a'percent'.txt", "%0d%0a'percent'.txt"),
            ('世' * 255, '世' * 255),
            ('x' * 255, 'x' * 255),
            ('<script>.txt', '<script>.txt'),
        ],
    )
    def test_says_any_name_in_one_valid_header(self, client, name, shown):
        uploaded = raw(client, name=name)
        assert data(uploaded)['name'] == shown

        response = fetch(client, f'{uploaded.headers["Location"]}/content')

        disposition = response.headers['Content-Disposition']
        assert disposition.isascii()
        assert disposition.isprintable()
        assert 'X-Evil' not in response.headers
        kind, options = parse_options_header(disposition)
        assert (kind, options['filename']) == ('attachment', shown)
        # What is older than RFC 8187 reads the first of them, and finds nothing to trip over.
        fallback = disposition.split('filename="')[1].split('"')[0]
        assert fallback
        assert not set(fallback) & set('"\\;%/<>:=')


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

    def test_stays_the_sum_through_everything_that_can_happen(self, client):
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
        assert used(client) == 1100


class TestReportShow:
    def test_sums_up_by_type(self, client, ada):
        FileFactory(owner=ada, content=PNG)
        FileFactory(owner=ada, content=b'12345')
        FileFactory(owner=ada, content=b'123', trashed=True)

        response = fetch(client, f'{URL}/report')

        assert response.headers['Content-Disposition'] == 'attachment; filename=report.txt'
        assert response.headers['Content-Type'].startswith('text/plain')
        lines = [line.split() for line in response.text.splitlines()]
        assert lines[0] == ['3', 'files,', str(len(PNG) + 8), 'of', str(QUOTA), 'bytes']
        assert lines[2:] == [[str(len(PNG)), '1', 'image/png'], ['8', '2', 'text/plain']]

    def test_nothing_in_it_runs(self, client):
        assert_inert(fetch(client, f'{URL}/report'))

    def test_is_kept_by_no_cache_that_others_share(self, client):
        response = fetch(client, f'{URL}/report')

        assert response.headers['Cache-Control'] == 'private, no-cache'

    def test_rejects_a_range_behind_the_end(self, client):
        response = fetch(client, f'{URL}/report', Range='bytes=10000-')

        assert response.status_code == 416
        assert set(reasons(response)) == {'range'}

    @pytest.mark.parametrize('wanted', ['lines=1-2', 'bytes=0-1,2-3'])
    def test_ignores_ranges_it_does_not_know(self, client, wanted):
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

    def test_gives_everybody_what_was_published(self, nobody):
        response = fetch(nobody, f'{URL}/public/terms.txt')

        assert response.data == b'0123456789'
        assert response.headers['Content-Disposition'] == 'attachment; filename=terms.txt'
        assert response.headers['Cache-Control'] == 'public, max-age=300'

    def test_gives_it_from_a_folder(self, nobody):
        assert fetch(nobody, f'{URL}/public/nested/deep.txt').data == b'Deep.'

    def test_nothing_in_it_runs(self, nobody):
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
    def test_gives_nothing_else(self, nobody, name):
        response = fetch(nobody, f'{URL}/public/{name}')

        assert response.status_code == 404
        assert set(reasons(response)) == {'url'}

    def test_gives_a_range(self, nobody):
        response = fetch(nobody, f'{URL}/public/terms.txt', Range='bytes=2-4')

        assert (response.status_code, response.data) == (206, b'234')

    def test_rejects_a_range_behind_the_end(self, nobody):
        response = fetch(nobody, f'{URL}/public/terms.txt', Range='bytes=10-')

        assert response.status_code == 416
        assert response.headers['Content-Range'] == 'bytes */10'

    @pytest.mark.parametrize('wanted', ['lines=1-2', 'bytes=0-1,4-5', 'nonsense'])
    def test_ignores_ranges_it_does_not_know(self, nobody, wanted):
        response = fetch(nobody, f'{URL}/public/terms.txt', Range=wanted)

        assert (response.status_code, response.data) == (200, b'0123456789')

    def test_gives_new_bytes_after_they_changed(self, nobody, folder):
        first = fetch(nobody, f'{URL}/public/terms.txt')
        (folder / 'terms.txt').write_bytes(b'Something else.')
        os.utime(folder / 'terms.txt', (time.time() + 10,) * 2)

        seen = first.headers['ETag']
        response = fetch(nobody, f'{URL}/public/terms.txt', **{'If-None-Match': seen})

        assert response.data == b'Something else.'


class Endless(io.RawIOBase):
    """A stream of so many bytes, which exist only while they are read."""

    def __init__(self, size):
        self.left = size

    def readable(self):
        return True

    def seekable(self):
        return False

    def tell(self):
        return 0

    def seek(self, *_):
        return 0

    def readinto(self, buffer):
        given = min(len(buffer), self.left)
        buffer[:given] = b'x' * given
        self.left -= given
        return given


class Chain(Endless):
    """A stream that begins with bytes and goes on with an endless one."""

    def __init__(self, head, rest):
        self.head = BytesIO(head)
        self.rest = rest

    def readinto(self, buffer):
        return self.head.readinto(buffer) or self.rest.readinto(buffer)


def assert_inert(response):
    """Check that no browser would run what it is given here."""
    assert response.headers['X-Content-Type-Options'] == 'nosniff'
    policy = response.headers['Content-Security-Policy']
    assert "default-src 'none'" in policy
    assert 'sandbox' in policy.replace(';', ' ').split()
    assert response.headers['X-Frame-Options'].lower() == 'deny'


def _anew(value):
    if isinstance(value, list):
        return [_anew(one) for one in value]
    return (BytesIO(value[0].getvalue()), value[1]) if isinstance(value, tuple) else value


def _body(method):
    return {} if method == 'PATCH' else None
