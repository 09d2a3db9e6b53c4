"""Parsing of JSON, query strings and forms. No input may cause a 500."""

import errno
import json
import os
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import EXCLUDE, Schema, fields

from project.core.errors import BadRequest
from project.core.web.requests.fields import UploadedFile
from project.core.web.requests.parsing import parse_json
from tests.kit.responses import data, fails_with, reasons


class AnyRequest(Schema):
    class Meta:
        unknown = EXCLUDE

    name = fields.Str()


class FormRequest(Schema):
    file = UploadedFile()
    name = fields.Str()


class Sink(list):
    """A target for an uploaded file. It records its blocks, and whether it is closed."""

    def __init__(self, length):
        self.length = length
        self.is_closed = False

    def write(self, block):
        if block == b'full':
            raise OSError(errno.ENOSPC, 'No space left on device')
        self.append(block)

    def seek(self, _offset):
        pass

    def close(self):
        self.is_closed = True


class NameSchema(Schema):
    name = fields.Str()


@pytest.fixture
def post(serve):
    """Return a function that sends bytes with the content type of JSON."""

    def send(body, content_type='application/json', **settings):
        client = serve(lambda body: body, body=AnyRequest, returns=NameSchema, settings=settings)
        return client.post('/probe', data=body, content_type=content_type)

    return send


def nested(depth):
    return b'[' * depth + b']' * depth


class TestLoadJson:
    @pytest.mark.parametrize(
        'content_type',
        [
            'application/json',
            'Application/JSON',
            'application/json; charset=utf-8',
            'application/json;charset=UTF-8',
            'application/json; charset="utf8"',
        ],
    )
    def test_reads_json(self, post, content_type):
        assert data(post('{"name": "Jürgen"}'.encode(), content_type)) == {'name': 'Jürgen'}

    @pytest.mark.parametrize(
        'content_type',
        [
            '',
            None,
            'text/plain',
            'text/json',
            'application/x-www-form-urlencoded',
            'multipart/form-data; boundary=x',
            'application/merge-patch+json',
            'application/json; charset=utf-16',
            'application/json; charset=latin-1',
            'application/json; charset=nonsense',
        ],
    )
    def test_returns_415_for_any_other_content_type(self, post, content_type):
        response = post(b'{}', content_type)

        fails_with(response, 'content_type', status=415, reason='Must be application/json in UTF-8')

    @pytest.mark.parametrize(
        ('body', 'reason'),
        [
            (b'', 'Not valid JSON'),
            (b' ', 'Not valid JSON'),
            (b'{', 'Not valid JSON'),
            (b"{'a': 1}", 'Not valid JSON'),
            (b'{"a": 1,}', 'Not valid JSON'),
            (b'{"a": 1} {}', 'Not valid JSON'),
            (b'{"a": 01}', 'Not valid JSON'),
            (b'{"a": "\n"}', 'Not valid JSON'),
            (b'{"a": "\0"}', 'Not valid JSON'),
            (b'\xef\xbb\xbf{}', 'Not valid JSON'),
            (b'{"a": ' + b'9' * 5000 + b'}', 'Not valid JSON'),
            ('{"a": "ü"}'.encode('utf-16'), 'Not UTF-8'),
            ('{"a": "ü"}'.encode('latin-1'), 'Not UTF-8'),
            (b'{"a": "\xed\xa0\x80"}', 'Not UTF-8'),
            (b'{"a": "\xc0\xaf"}', 'Not UTF-8'),
            (b'{"a": NaN}', 'NaN is not valid JSON'),
            (b'{"a": Infinity}', 'Infinity is not valid JSON'),
            (b'{"a": -Infinity}', '-Infinity is not valid JSON'),
            (b'{"a": 1e999}', 'A number is too large'),
            (b'{"a": [-1e999]}', 'A number is too large'),
            (b'{"a": "\\u0000"}', 'Text must not contain NUL'),
            (b'{"a\\u0000": 1}', 'Text must not contain NUL'),
            (b'{"a": "\\ud800"}', 'Text must not contain a lone surrogate'),
            (b'{"a": ["\\udc00\\ud800"]}', 'Text must not contain a lone surrogate'),
            (b'{"\\ud800": 1}', 'Text must not contain a lone surrogate'),
            (b'{"a": 1, "a": 1}', 'A key is given more than once'),
            (b'{"b": {"a": 1, "\\u0061": 2}}', 'A key is given more than once'),
            (nested(33), 'Nested more than 32 levels deep'),
            (b'{"a":' * 33 + b'1' + b'}' * 33, 'Nested more than 32 levels deep'),
            (nested(5_000), 'Nested more than 32 levels deep'),
            (b'[' * 5_000, 'Nested more than 32 levels deep'),
        ],
        ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else '',
    )
    def test_returns_400_for_invalid_or_ambiguous_json(self, post, body, reason):
        response = post(body)

        fails_with(response, 'request', status=400, reason=reason)

    @pytest.mark.parametrize(
        'body',
        [
            json.dumps([0] * 10_000).encode(),
            json.dumps([{'a': 1}] * 5_000).encode(),
            b'{"a": [%s]}' % b','.join([b'[]'] * 9_999),
            b'[' * 100_000,
        ],
        ids=['numbers', 'objects', 'arrays', 'open arrays'],
    )
    def test_returns_413_for_more_than_10_000_values(self, post, body):
        fails_with(post(body), 'size', status=413, reason='More than 10,000 values')

    @pytest.mark.parametrize(
        'body',
        [
            json.dumps([0] * 9_999).encode(),
            json.dumps([[], {}] * 4_999 + ['[,' * 50_000]).encode(),
        ],
        ids=['numbers', 'empty containers, and a text with brackets'],
    )
    def test_accepts_10_000_values(self, post, body):
        assert post(body).status_code == 422

    @pytest.mark.parametrize(
        'body', [nested(32), b'{"a":' * 32 + b'1' + b'}' * 32, b'{"a": "\\ud83c\\udfa9"}']
    )
    def test_accepts_json_at_the_limits(self, post, body):
        assert post(body).status_code in (200, 422)

    def test_accepts_at_most_one_mebibyte(self, post):
        limit = 1024 * 1024
        fits = b'{"name": "' + b'x' * (limit - 12) + b'"}'

        assert len(fits) == limit
        assert post(fits).status_code == 200
        response = post(fits + b' ')
        fails_with(response, 'size', status=413)

    @pytest.mark.parametrize(
        ('body', 'code'),
        [
            (b'{"name": "Ada"}', 200),
            (b' ' * 2 * 1024 * 1024, 413),
            # The first MiB alone would be valid JSON: the parser must read the rest.
            (b'{"name": "Ada"}' + b' ' * 2 * 1024 * 1024, 413),
        ],
        ids=['short', 'blank', 'cut'],
    )
    def test_enforces_the_limit_for_chunked_bodies(self, serve, body, code):
        client = serve(lambda body: body, body=AnyRequest, returns=NameSchema)

        response = client.post(
            '/probe',
            input_stream=BytesIO(body),
            content_type='application/json',
            environ_overrides={
                'wsgi.input_terminated': True,
                'HTTP_TRANSFER_ENCODING': 'chunked',
                'CONTENT_LENGTH': '',
            },
        )

        assert response.status_code == code


class TestLoadQuery:
    @pytest.fixture
    def client(self, serve):
        return serve(lambda query: query, query=NameSchema, returns=NameSchema)

    def test_reads_the_query(self, client):
        assert data(client.get('/probe?name=a%20b+c')) == {'name': 'a b c'}

    @pytest.mark.parametrize('query', ['name=a&name=b', 'name=a&name=a', 'name=&name='])
    def test_rejects_a_repeated_parameter(self, client, query):
        response = client.get(f'/probe?{query}')

        fails_with(response, 'name', reason='Given more than once.')

    @pytest.mark.parametrize('query', ['nmae=a', 'name[]=a', 'Name=a', 'a=b;name=c', 'x'])
    def test_rejects_an_unknown_parameter(self, client, query):
        response = client.get(f'/probe?{query}')

        assert response.status_code == 422
        assert set(reasons(response).popitem()[1]) == {'Unknown field.'}

    @pytest.mark.parametrize('query', ['name=a%00', '%00=a'])
    def test_rejects_nul(self, client, query):
        response = client.get(f'/probe?{query}')

        fails_with(response, 'request', status=400, reason='Text must not contain NUL')

    @pytest.mark.parametrize('query', ['name=%ff', 'name=%ed%a0%80', 'name=%'])
    def test_accepts_invalid_utf_8(self, client, query):
        assert client.get(f'/probe?{query}').status_code == 200


class TestLoadForm:
    @pytest.fixture
    def client(self, serve):
        def show(form):
            size = len(form['file'].read()) if 'file' in form else 0
            return {'name': f'{form.get("name")} {size}'}

        return serve(show, form=FormRequest, returns=NameSchema)

    def send(self, client, parts, boundary='x'):
        body = b''.join(
            b'--x\r\nContent-Disposition: form-data; ' + part + b'\r\n' for part in parts
        )
        return client.post(
            '/probe',
            data=body + b'--x--\r\n',
            content_type=f'multipart/form-data; boundary={boundary}',
        )

    def test_reads_fields_and_files(self, client):
        response = client.post('/probe', data={'name': 'Ada', 'file': (BytesIO(b'12345'), 'a')})

        assert data(response) == {'name': 'Ada 5'}

    @pytest.mark.parametrize(
        'content_type',
        ['application/json', 'application/x-www-form-urlencoded', 'text/plain', None],
    )
    def test_returns_415_for_any_other_content_type(self, client, content_type):
        response = client.post('/probe', data=b'name=a', content_type=content_type)

        fails_with(response, 'content_type', status=415, reason='Must be multipart/form-data')

    @pytest.mark.parametrize(
        'parts',
        [
            [b'name="name"\r\n\r\na', b'name="name"\r\n\r\nb'],
            [b'name="name"\r\n\r\na', b'name="name"; filename="a"\r\n\r\nb'],
        ],
        ids=['fields', 'field and file'],
    )
    def test_rejects_a_repeated_field(self, client, parts):
        response = self.send(client, parts)

        fails_with(response, 'name', reason='Given more than once.')

    def test_rejects_two_files_with_the_same_name(self, client):
        response = self.send(client, [b'name="file"; filename="a"\r\n\r\na'] * 2)

        fails_with(response, 'file', reason='Given more than once.')

    def test_rejects_text_instead_of_a_file_and_a_file_instead_of_text(self, client):
        text = self.send(client, [b'name="file"\r\n\r\na'])
        file = self.send(client, [b'name="name"; filename="a"\r\n\r\na'])

        fails_with(text, 'file', reason='Must be a file.')
        fails_with(file, 'name', reason='Not a valid string.')

    @pytest.mark.parametrize('part', [b'filename="a"', b'x="y"'])
    def test_rejects_a_part_without_a_name(self, client, part):
        response = self.send(client, [part + b'\r\n\r\na'])

        fails_with(response, 'request', status=400, reason='A part of the form has no name')

    @pytest.mark.parametrize(
        ('code', 'http_code'), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 503)]
    )
    def test_returns_507_or_503_when_the_disk_rejects_a_file(
        self, client, monkeypatch, code, http_code
    ):
        class Broken(BytesIO):
            def write(self, block):
                raise OSError(code, os.strerror(code))

        monkeypatch.setattr('werkzeug.formparser.SpooledTemporaryFile', lambda **_: Broken())

        response = self.send(client, [b'name="file"; filename="a"\r\n\r\na'])

        assert response.status_code == response.json['code'] == http_code
        assert response.json['status'] == 'error'

    def test_rejects_nul(self, client):
        response = self.send(client, [b'name="name"\r\n\r\na\0'])

        assert response.status_code == 400

    def test_returns_413_for_too_many_parts(self, client):
        parts = [f'name="f{number}"\r\n\r\na'.encode() for number in range(50)]

        response = self.send(client, parts)

        fails_with(response, 'size', status=413)

    def test_returns_413_for_a_very_long_field(self, client):
        response = self.send(client, [b'name="name"\r\n\r\n' + b'a' * 70_000])

        assert response.status_code == 413

    @pytest.mark.parametrize('boundary', ['y', '', '"', 'x' * 300])
    def test_does_not_fail_for_a_wrong_boundary(self, client, boundary):
        assert self.send(client, [b'name="name"\r\n\r\na'], boundary).status_code < 500


class TestLoadFormInto:
    """A form whose file field has a `stream_factory`: the file is written to its result."""

    @pytest.fixture
    def opened(self):
        return []

    @pytest.fixture
    def client(self, serve, opened):
        def into(length):
            opened.append(Sink(length))
            return opened[-1]

        class Form(Schema):
            file = UploadedFile(stream_factory=into)
            name = fields.Str()

        def show(form):
            assert not form['file'].stream.is_closed
            return {'name': b''.join(form['file'].stream).decode()}

        return serve(show, form=Form, returns=NameSchema)

    def send(self, client, *parts, end=b'--x--\r\n'):
        body = b''.join(
            b'--x\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n' % part for part in parts
        )
        return client.post(
            '/probe', data=body + end, content_type='multipart/form-data; boundary=x'
        )

    FILE = b'name="file"; filename="a"'

    def test_receives_the_file_and_is_closed_at_the_end_of_the_request(self, client, opened):
        response = self.send(client, (self.FILE, b'12345'))

        assert data(response) == {'name': '12345'}
        [sink] = opened
        assert sink.is_closed
        assert sink.length == int(response.request.headers['Content-Length'])

    def test_is_opened_once_and_only_for_its_field(self, client, opened):
        twice = self.send(client, (self.FILE, b'1'), (self.FILE, b'2'))
        other = self.send(client, (b'name="other"; filename="a"', b'1'))
        text = self.send(client, (b'name="name"; filename="a"', b'1'))

        fails_with(twice, 'file', reason='Given more than once.')
        fails_with(other, 'other', reason='Unknown field.')
        fails_with(text, 'name', reason='Not a valid string.')
        [sink] = opened
        assert sink == [b'1']
        assert sink.is_closed

    @pytest.mark.parametrize(
        ('parts', 'end', 'code'),
        [
            ([(FILE, b'1')], b'', 400),
            ([(FILE, b'1'), (b'name="x"', b'x' * 100_000)], b'--x--\r\n', 413),
            ([(FILE, b'1'), (b'x="y"', b'1')], b'--x--\r\n', 400),
            ([(FILE, b'1'), (b'name="x"; filename="x"', b'1')], b'--x--\r\n', 422),
            ([(FILE, b'full')], b'--x--\r\n', 507),
        ],
        ids=['broken off', 'too large a field', 'no name', 'unknown file', 'disk full'],
    )
    def test_is_closed_when_the_form_is_rejected(self, client, opened, parts, end, code):
        assert self.send(client, *parts, end=end).status_code == code

        [sink] = opened
        assert sink.is_closed


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0')),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0')),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


class TestParseJson:
    @settings(max_examples=50)
    @given(value=JSON, ascii=st.booleans())
    def test_parses_any_json_value(self, value, ascii):
        assert parse_json(json.dumps(value, ensure_ascii=ascii).encode()) == value

    @settings(max_examples=100)
    @given(body=st.binary(max_size=30) | st.text('[]{}":,0e.-\\u', max_size=30).map(str.encode))
    def test_parses_or_rejects_any_bytes(self, body):
        # `parse_json` may raise only BadRequest. Any other exception would cause a 500.
        with suppress(BadRequest):
            parse_json(body)

    @settings(max_examples=20)
    @given(depth=st.integers(1, 64))
    def test_accepts_at_most_32_levels(self, depth):
        try:
            parse_json(nested(depth))
            assert depth <= 32
        except BadRequest:
            assert depth > 32
