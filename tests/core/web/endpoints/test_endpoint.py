"""The decorator `@endpoint`, which declares access, body and response of a route."""

from io import BytesIO
from types import SimpleNamespace

import pytest
from flask import Blueprint, Response
from marshmallow import Schema, fields

from project.core.database.keyset_pagination import Page, PageRequest
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.locations import PutResult
from project.core.web.requests.fields import UploadedFile
from project.core.web.requests.pagination import ListQuery, sort_by
from tests.kit.responses import data, fails_with, reasons

SECRET = SimpleNamespace(id=7, name='Boat', version=1, password='secret')


class ThingSchema(Schema):
    id = fields.Int()
    name = fields.Str()


class ThingRequest(Schema):
    name = fields.Str(required=True)


class ThingQuery(Schema):
    loud = fields.Bool(load_default=False)


class ThingListQuery(ListQuery):
    name = fields.Str()
    sort = sort_by('id')


class ThingForm(Schema):
    file = UploadedFile(required=True)
    name = fields.Str()


class TestEndpoint:
    def test_keeps_the_handler_s_name_and_docstring(self):
        @endpoint(allow=public)
        def thing_show():
            """Show a thing."""

        assert (thing_show.__name__, thing_show.__doc__) == ('thing_show', 'Show a thing.')

    def test_returns_null_when_the_handler_returns_none(self, serve):
        response = serve(lambda: None).get('/probe')

        assert response.status_code == 200
        assert data(response) is None

    def test_returns_only_the_fields_of_the_schema(self, serve):
        client = serve(lambda: SECRET, returns=ThingSchema, code=201, without_location='A test.')

        response = client.post('/probe')

        assert response.status_code == 201
        assert data(response) == {'id': 7, 'name': 'Boat'}

    def test_returns_null_without_a_schema(self, serve):
        assert data(serve(lambda: SECRET).get('/probe')) is None

    def test_returns_a_list_for_many(self, serve):
        response = serve(lambda: [SECRET, SECRET], returns=ThingSchema, many=True).get('/probe')

        assert data(response) == [{'id': 7, 'name': 'Boat'}] * 2

    def test_passes_the_parsed_body(self, serve):
        def show(body):
            return {'id': 1, **body}

        client = serve(show, body=ThingRequest, returns=ThingSchema)

        assert data(client.post('/probe', json={'name': 'Ada'})) == {'id': 1, 'name': 'Ada'}
        assert reasons(client.post('/probe', json={})) == {
            'name': ['Missing data for required field.']
        }
        assert list(reasons(client.post('/probe', json={'name': 'Ada', 'x': 1}))) == ['x']

    def test_passes_the_parsed_query(self, serve):
        def show(query):
            return {'name': str(query['loud'])}

        client = serve(show, query=ThingQuery, returns=ThingSchema)

        assert data(client.get('/probe')) == {'name': 'False'}
        assert data(client.get('/probe?loud=true')) == {'name': 'True'}

    def test_passes_the_query_of_a_list_as_a_page_request(self, serve):
        pages = []

        def show(page):
            pages.append(page)
            return Page([SECRET], 'cursor-2')

        client = serve(show, query=ThingListQuery, returns=ThingSchema, many=True)
        response = client.get('/probe?limit=1&sort=-id&name=a%20b')

        assert pages == [PageRequest(limit=1, sort='-id', filters={'name': 'a b'})]
        assert data(response) == {'items': [{'id': 7, 'name': 'Boat'}], 'next': 'cursor-2'}
        assert response.headers['Link'] == (
            '</probe?limit=1&sort=-id&name=a+b&cursor=cursor-2>; rel="next"'
        )

    def test_sends_no_link_on_the_last_page(self, serve):
        client = serve(lambda page: Page([]), query=ThingListQuery, returns=ThingSchema, many=True)

        response = client.get('/probe')

        assert data(response) == {'items': [], 'next': None}
        assert 'Link' not in response.headers

    def test_passes_the_parsed_form(self, serve):
        def show(form):
            return {'name': f'{form["name"]}: {form["file"].stream.read().decode()}'}

        client = serve(show, form=ThingForm, returns=ThingSchema)
        sent = {'file': (BytesIO(b'hello'), 'a.txt'), 'name': 'Ada'}

        assert data(client.post('/probe', data=sent)) == {'name': 'Ada: hello'}

    def test_returns_415_for_a_body_that_is_not_a_form(self, serve):
        client = serve(lambda form: None, form=ThingForm)

        response = client.post('/probe', data=b'hello')

        fails_with(response, 'content_type', status=415)

    def test_accepts_any_other_body_if_the_route_declares_it(self, serve):
        seen = []
        client = serve(lambda form: seen.append(form), form=ThingForm, consumes='*/*')

        assert client.post('/probe', data=b'hello').status_code == 200
        assert seen == [None]

    def test_returns_a_response_unchanged(self, serve):
        client = serve(lambda: Response('hello', 202, mimetype='text/plain'))

        response = client.get('/probe')

        assert (response.status_code, response.text) == (202, 'hello')

    def test_sends_the_location_of_the_created_thing(self, kernel):
        things = Blueprint('things', __name__, url_prefix='/things')

        @things.post('')
        @endpoint(allow=public, returns=ThingSchema, code=201, location=('.thing_show', 'thing_id'))
        def thing_create():
            """Create a thing."""
            return SECRET

        @things.get('/<int:thing_id>')
        @endpoint(allow=public, returns=ThingSchema)
        def thing_show(thing_id):
            """Show a thing."""
            return SECRET

        response = kernel(things).test_client().post('/things')

        assert response.status_code == 201
        assert response.location == '/things/7'

    def test_sends_the_version_as_etag(self, serve):
        client = serve(lambda: SECRET, returns=ThingSchema, versioned=True)

        assert client.get('/probe').headers['ETag'] == '"1"'
        assert client.post('/probe').headers['ETag'] == '"1"'

    def test_sends_a_hash_as_etag_without_versions(self, serve):
        things = [SECRET, SECRET, SimpleNamespace(id=7, name='Ship')]
        client = serve(lambda: things.pop(0), returns=ThingSchema)

        first, same, other = (client.get('/probe').headers['ETag'] for _ in range(3))

        assert first == same != other
        things.append(SECRET)
        assert 'ETag' not in client.post('/probe').headers

    def test_returns_201_for_a_put_that_creates(self, serve):
        results = [PutResult(SECRET, etag='a', is_new=True), PutResult(SECRET)]
        client = serve(
            lambda: results.pop(0), returns=ThingSchema, versioned=True, may_create=True,
            methods=('PUT',),
        )  # fmt: skip

        new, changed = client.put('/probe'), client.put('/probe')

        assert (new.status_code, new.location, new.headers['ETag']) == (201, '/probe', '"a"')
        assert (changed.status_code, changed.location, changed.headers['ETag']) == (
            200, None, '"1"',
        )  # fmt: skip

    @pytest.mark.parametrize(
        ('location', 'url'),
        [(('.thing_show',), '/things/1'), (('.owner_show', 'owner_id', 'owner.id'), '/owners/3')],
    )
    def test_sends_the_location_of_a_thing_inside_of_the_result(self, kernel, location, url):
        things = Blueprint('things', __name__)

        @things.post('/things/1')
        @endpoint(allow=public, returns=ThingSchema, code=201, location=location)
        def thing_create():
            """Create a thing."""
            return {'id': 1, 'name': 'Boat', 'owner': SimpleNamespace(id=3)}

        @things.get('/things/1', endpoint='thing_show')
        @things.get('/owners/<int:owner_id>', endpoint='owner_show')
        @endpoint(allow=public)
        def thing_show(**_):
            """Show a thing."""

        assert kernel(things).test_client().post('/things/1').location == url
