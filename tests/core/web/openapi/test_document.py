"""The OpenAPI document, which is generated from the endpoint specs."""

import re
from datetime import date, timedelta
from decimal import Decimal

import orjson
import pytest
from flask import Blueprint
from marshmallow import Schema, fields, validate
from openapi_spec_validator import validate as validate_document

from project.core.errors import Conflict, PreconditionFailed, RangeNotSatisfiable
from project.core.web.endpoints.access import owner_or, public, requires
from project.core.web.endpoints.deprecation import Deprecation
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.endpoint_spec import declared_methods
from project.core.web.openapi.document import specification
from project.core.web.openapi.paths import documented_rules
from project.core.web.requests.fields import EmailAddress, OtpCode, PinCode, Text, Timestamp
from project.core.web.requests.pagination import ListQuery, sort_by
from project.core.web.responses.headers import Header


class BoatChanged(PreconditionFailed):
    """The boat was changed."""


class BoatTaken(Conflict):
    field = 'name'


class BoatSchema(Schema):
    id = fields.Int()
    at = Timestamp()


class BoatRequest(Schema):
    name = Text(required=True, min=1, max=80)
    email = EmailAddress()
    pin = PinCode()
    otp = OtpCode()


class PriceRequest(Schema):
    price = fields.Decimal(validate=validate.Range(Decimal('0.01'), Decimal('99.50')))
    day = fields.Date(validate=validate.Range(min=date(2026, 1, 1)))
    took = fields.TimeDelta(validate=validate.Range(max=timedelta(minutes=1)))


class PriceSchema(Schema):
    price = fields.Decimal()
    exact = fields.Decimal(as_string=True)
    day = fields.Date()
    took = fields.TimeDelta()


class BoatListQuery(ListQuery):
    colour = fields.Str(validate=validate.OneOf(['red', 'blue']))
    sort = sort_by('id')


boats = Blueprint('boats', __name__, url_prefix='/boats')


@boats.get('')
@endpoint(allow=public, query=BoatListQuery, returns=BoatSchema, many=True)
def boats_list(page):
    """List boats."""


@boats.put('/<uuid:boat_id>')
@endpoint(
    allow=requires('boats:sail', fresh=True), body=BoatRequest, returns=BoatSchema, versioned=True,
    errors=[BoatTaken, BoatChanged], limit='5/minute', code=202,
)  # fmt: skip
def boat_sail(boat_id, body):
    """Sail a boat.

    Slowly.
    """


@boats.get('/<uuid:boat_id>/picture')
@endpoint(
    allow=public, produces='image/webp', errors=[RangeNotSatisfiable],
    extra_response_headers={'Last-Modified': Header('When it was painted.')},
)  # fmt: skip
def boat_picture(boat_id):
    """Show a picture."""


@boats.get('/<uuid:boat_id>')
@endpoint(allow=public, returns=BoatSchema, versioned=True)
def boat_show(boat_id):
    """Show a boat."""


@boats.post('/<uuid:boat_id>/anchor')
@endpoint(
    allow=public, code=201, produces='', may_return_202=True, without_location='No URL.',
    extra_request_headers={'Boat-Depth': Header('Metres.', {'type': 'integer'}, required=True)},
    extra_response_headers={'Boat-Held': Header('By what.')},
)  # fmt: skip
def boat_anchor(boat_id):
    """Cast the anchor."""


@boats.get('/all')
@endpoint(allow=public, returns=BoatSchema, many=True)
def boats_all():
    """Show all boats."""


@boats.post('/price')
@endpoint(allow=public, body=PriceRequest, returns=PriceSchema)
def boat_price(body):
    """Price a boat."""
    return {
        'price': body['price'],
        'exact': body['price'],
        'day': body['day'],
        'took': body['took'],
    }


@pytest.fixture
def document(kernel):
    """Return the OpenAPI document of the sample routes in this module."""
    return specification(kernel(boats))


def content(operation, code='200', kind='application/json'):
    return operation['responses'][code]['content'][kind]['schema']


def resolved(document, part):
    """Return the part of the document to which a reference refers; otherwise the part itself."""
    found = document if '$ref' in part else part
    for key in part['$ref'].removeprefix('#/').split('/') if '$ref' in part else ():
        found = found[key]
    return found


def headers_of(operation):
    return {p['name'] for p in operation['parameters'] if p['in'] == 'header'}


class TestSpecification:
    def test_returns_a_valid_document(self, app):
        validate_document(orjson.loads(orjson.dumps(specification(app))))

    def test_contains_every_route_and_every_method(self, app):
        expected = {
            (path.path, method.lower())
            for rule, path in documented_rules(app)
            for method in declared_methods(rule) - {'HEAD'}
        }

        paths = specification(app)['paths']

        found = {(path, method) for path in paths for method in paths[path]}
        assert {pair for pair in found if pair[1] != 'head'} == expected

    def test_contains_head_only_if_it_differs_from_get_without_a_body(self, app):
        paths = specification(app)['paths']

        found = {path for path in paths if 'head' in paths[path]}
        assert {path for path in found if path.startswith('/api/v1/users')} == {
            '/api/v1/users/me/avatar',
            '/api/v1/users/{username}/avatar',
            '/api/v1/users/me/exports/{export_id}/content',
        }
        assert '/healthz' not in found

    def test_documents_every_declared_or_implied_error(self, app):
        paths = specification(app)['paths']

        for rule, path in documented_rules(app):
            for method in declared_methods(rule) - {'HEAD'}:
                spec = app.extensions['endpoint_specs'][rule.endpoint, method]
                errors = {*spec.errors, *spec.implied_errors(rule, method)}
                responses = paths[path.path][method.lower()]['responses']

                for error in errors:
                    found = resolved(specification(app), responses[str(error.http_code)])
                    assert error().data.keys() <= set(found['x-keys'])
                assert {'500', '503'} <= set(responses)

    def test_has_a_summary_and_a_description_for_every_operation(self, app):
        for path in specification(app)['paths'].values():
            for operation in path.values():
                assert operation['summary']
                assert operation['description']

    def test_gives_every_operation_a_unique_id(self, app):
        operations = [o for p in specification(app)['paths'].values() for o in p.values()]
        names = [operation['operationId'] for operation in operations]

        assert len(names) == len(set(names))

    def test_is_generated_once(self, app):
        with app.app_context():
            assert specification() is specification()

    def test_documents_security_permission_and_scope(self, document):
        assert document['paths']['/boats']['get']['security'] == []
        sail = document['paths']['/boats/{boat_id}']['put']
        assert sail['security'] == [{'bearer': []}]
        assert (sail['x-permission'], sail['x-scope'], sail['x-fresh']) == (
            'boats:sail', 'boats:sail', True,
        )  # fmt: skip

    def test_documents_the_request_body_and_parameters(self, document):
        sail = document['paths']['/boats/{boat_id}']['put']
        request = document['components']['schemas']['BoatRequest']

        assert sail['requestBody']['content']['application/json']['schema'] == {
            '$ref': '#/components/schemas/BoatRequest'
        }
        assert request['properties']['name'] == {'type': 'string', 'minLength': 1, 'maxLength': 80}
        assert request['properties']['email'] == {
            'type': 'string', 'format': 'email', 'maxLength': 254,
            'description': 'An email address in its canonical form. Rejects addresses with invalid '
            'syntax.',
        }  # fmt: skip
        assert request['properties']['otp']['pattern'] == '^(?:[0-9]{6})$'
        assert re.fullmatch(request['properties']['pin']['pattern'], 'abcd-efgh-ijkl-mn23')
        assert request['additionalProperties'] is False
        assert {p['name']: p['in'] for p in sail['parameters']} == {
            'boat_id': 'path', 'If-Match': 'header', 'If-None-Match': 'header',
        }  # fmt: skip

    def test_documents_the_bounds_of_amounts_dates_and_durations(self, document):
        properties = document['components']['schemas']['PriceRequest']['properties']

        assert properties['price'] == {
            'type': 'string', 'format': 'decimal', 'x-minimum': '0.01', 'x-maximum': '99.50',
        }  # fmt: skip
        assert properties['day']['x-minimum'] == '2026-01-01'
        assert properties['took'] == {
            'type': 'number', 'format': 'double', 'maximum': 60, 'x-unit': 'seconds',
        }  # fmt: skip
        assert orjson.dumps(document)
        validate_document(document)

    def test_documents_amounts_dates_and_durations_as_responses_contain_them(self, kernel):
        client = kernel(boats).test_client()

        response = client.post(
            '/boats/price', json={'price': '12.50', 'day': '2026-11-23', 'took': 60}
        )

        assert response.json['data'] == {
            'price': '12.50', 'exact': '12.50', 'day': '2026-11-23', 'took': 60,
        }  # fmt: skip

    def test_documents_the_query_parameters_of_a_list(self, document):
        parameters = {
            p['name']: p['schema']
            for p in document['paths']['/boats']['get']['parameters']
            if p['in'] == 'query'
        }

        assert set(parameters) == {'limit', 'cursor', 'sort', 'colour'}
        assert parameters['limit'] == {
            'type': 'integer', 'format': 'int64', 'default': 50, 'minimum': 1, 'maximum': 200,
        }  # fmt: skip
        assert parameters['sort']['enum'] == ['id', '-id']

    def test_documents_the_response_bodies(self, document):
        boat, schemas = {'$ref': '#/components/schemas/Boat'}, document['components']['schemas']

        one = content(document['paths']['/boats/{boat_id}']['put'], '202')
        assert one == {'$ref': '#/components/schemas/BoatResponse'}
        assert schemas['BoatResponse']['properties']['status']['const'] == 'success'
        assert schemas['BoatResponse']['properties']['data'] == boat
        assert schemas['BoatResponse']['required'] == ['status', 'data']
        page = content(document['paths']['/boats']['get'])
        assert page == {'$ref': '#/components/schemas/BoatListResponse'}
        assert schemas['BoatListResponse']['properties']['data'] == {
            '$ref': '#/components/schemas/BoatList'
        }
        assert schemas['BoatList']['properties']['items']['items'] == boat
        assert content(document['paths']['/boats/all']['get']) == {
            '$ref': '#/components/schemas/BoatArrayResponse'
        }
        assert schemas['BoatArrayResponse']['properties']['data']['items'] == boat
        assert 'additionalProperties' not in schemas['Boat']
        assert schemas['Boat']['properties']['at'] == {
            'type': 'string', 'format': 'date-time',
        }  # fmt: skip

    def test_documents_the_error_codes(self, document):
        sail = document['paths']['/boats/{boat_id}']['put']

        assert set(sail['responses']) == {
            '202', '400', '401', '403', '404', '405', '408', '409', '412', '413', '414', '415',
            '422', '429', '500', '503',
        }  # fmt: skip
        assert '304' in document['paths']['/boats/{boat_id}']['get']['responses']

    def test_documents_binary_content(self, document):
        picture = document['paths']['/boats/{boat_id}/picture']['get']

        assert content(picture, kind='image/webp') == {'type': 'string', 'format': 'binary'}
        assert {'206', '304'} <= set(picture['responses'])
        assert set(picture['responses']['206']['content']) == {'image/webp', 'multipart/byteranges'}

    def test_documents_the_request_headers(self, document):
        paths = document['paths']

        tags = {'If-Match', 'If-None-Match'}
        assert headers_of(paths['/boats/{boat_id}']['put']) == tags
        assert headers_of(paths['/boats/{boat_id}']['get']) == tags
        assert headers_of(paths['/boats/{boat_id}/picture']['get']) == {
            *tags, 'Range', 'If-Range', 'If-Modified-Since', 'If-Unmodified-Since',
        }  # fmt: skip
        assert headers_of(paths['/boats/{boat_id}/picture']['head']) == {
            *tags, 'If-Modified-Since', 'If-Unmodified-Since',
        }  # fmt: skip
        [depth] = paths['/boats/{boat_id}/anchor']['post']['parameters'][1:]
        assert depth == {
            'name': 'Boat-Depth', 'in': 'header', 'required': True, 'description': 'Metres.',
            'schema': {'type': 'integer', 'format': 'int64'},
        }  # fmt: skip

    def test_documents_the_headers_of_successful_responses(self, document):
        paths = document['paths']

        picture = paths['/boats/{boat_id}/picture']['get']['responses']
        common = {'X-Request-ID'}
        whole = {'ETag', 'Accept-Ranges', 'Last-Modified', *common}
        assert set(picture['200']['headers']) == whole
        assert set(picture['206']['headers']) == {*whole, 'Content-Range'}
        boat = paths['/boats/{boat_id}']['get']['responses']
        assert set(boat['200']['headers']) == {'ETag', *common}
        listed = paths['/boats']['get']['responses']
        assert set(listed['200']['headers']) == {'ETag', 'Link', *common}
        anchored = paths['/boats/{boat_id}/anchor']['post']['responses']
        assert anchored['201']['headers']['Boat-Held'] == {
            'description': 'By what.', 'schema': {'type': 'string'},
        }  # fmt: skip
        assert 'content' not in anchored['201']
        assert set(anchored['202']['headers']) == {'Retry-After', *common}
        limited = paths['/boats/{boat_id}']['put']['responses']['202']['headers']
        assert {'RateLimit', 'RateLimit-Policy'} <= limited.keys()

    def test_documents_the_headers_of_errors(self, document):
        sail = document['paths']['/boats/{boat_id}']['put']['responses']

        for code, name in (
            ('401', 'WWW-Authenticate'), ('405', 'Allow'), ('429', 'Retry-After'),
            ('429', 'RateLimit'), ('503', 'Retry-After'),
        ):  # fmt: skip
            assert name in resolved(document, sail[code])['headers']

    def test_documents_the_keys_of_errors(self, document):
        sail = document['paths']['/boats/{boat_id}']['put']['responses']

        assert sail['409']['x-keys'] == ['name']
        assert sail['409']['description'] == (
            'Conflict. Keys of `data`:\n\n- `name`: Already exists.'
        )
        assert sail['422']['x-keys'] == ['email', 'name', 'otp', 'pin', 'request']
        assert sail['403']['x-keys'] == ['scope', 'permission', 'reauthentication']
        schemas = sail['409']['content']
        assert schemas['application/json']['schema'] == {'$ref': '#/components/schemas/Fail'}
        assert schemas['application/problem+json']['schema'] == {
            '$ref': '#/components/schemas/Problem'
        }

    def test_takes_summary_and_description_from_the_docstring(self, document):
        sail = document['paths']['/boats/{boat_id}']['put']

        assert sail['summary'] == 'Sail a boat'
        assert sail['description'] == (
            'Slowly.\n\nRequires the permission `boats:sail`. API keys need the scope '
            '`boats:sail`. Rate limit: 5/minute.'
        )
        assert (sail['operationId'], sail['tags']) == ('sailBoat', ['service'])

    def test_documents_deprecations(self, kernel):
        blueprint = Blueprint('ships', __name__)
        deprecation = Deprecation(
            since=date(2026, 12, 1), sunset=date(2027, 6, 1), successor='ships.ships'
        )

        @blueprint.get('/ships')
        @endpoint(allow=public)
        def ships():
            """List ships."""

        @blueprint.get('/vessels')
        @endpoint(allow=public, deprecated=deprecation)
        def vessels():
            """List vessels."""

        found = specification(kernel(blueprint))
        validate_document(orjson.loads(orjson.dumps(found)))
        operation = found['paths']['/vessels']['get']
        assert operation['deprecated']
        assert operation['description'] == (
            'Deprecated since 2026-12-01. It may be removed from 2027-06-01 on. Use `/ships` '
            'instead.\n\nRequires no login.'
        )
        assert operation['x-sunset'] == '2027-06-01'
        assert operation['x-successor'] == '/ships'
        assert operation['responses']['200']['headers'].keys() >= {
            'Deprecation', 'Sunset', 'Link',
        }  # fmt: skip
        assert 'deprecated' not in found['paths']['/ships']['get']

    def test_documents_rate_limits_and_owners(self, kernel):
        blueprint = Blueprint('ships', __name__)

        @blueprint.get('/ships/<int:user_id>')
        @endpoint(allow=owner_or('ships:read', scope='ships:read'), limit='5/minute')
        def ships(user_id):
            """List the ships of a user."""

        operation = specification(kernel(blueprint))['paths']['/ships/{user_id}']['get']
        assert operation['x-rate-limit'] == '5/minute'
        assert operation['x-own'] is True
