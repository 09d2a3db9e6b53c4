"""HTTP: upload a file in a form or as plain bytes."""

import errno
import io
import os
import tracemalloc
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO

import pytest

from project.core.web.requests.parsing import START_BODY_TIMEOUT
from tests.client import data, reasons
from tests.files.routes.file_requests import (
    LIMIT,
    PNG,
    QUOTA,
    URL,
    chunked,
    fetch,
    multipart,
    raw,
    used,
)
from tests.users.factories import UserFactory


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

    def test_has_not_the_time_limit_of_json_although_it_is_json(self, client):
        limit = {'environ_overrides': {START_BODY_TIMEOUT: lambda: pytest.fail('started')}}

        created = client.post(f'{URL}?name=a.json', json={}, **limit)
        replaced = client.put(f'{created.headers["Location"]}/content', json=[], **limit)

        assert (created.status_code, replaced.status_code) == (201, 200)

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
        assert reasons(response) == {
            'quota': ['Exceeds your quota; delete files permanently first']
        }
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
        with assert_max_queries(11):
            plain = raw(client, b'x' * 100_000)
        with assert_max_queries(15):
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


def _anew(value):
    if isinstance(value, list):
        return [_anew(one) for one in value]
    return (BytesIO(value[0].getvalue()), value[1]) if isinstance(value, tuple) else value
