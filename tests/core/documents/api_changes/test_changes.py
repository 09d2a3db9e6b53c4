"""Changes between two OpenAPI documents: each is named, and told apart by whether it breaks."""

from copy import deepcopy

import pytest

from project.core.documents.api_changes.changes import compare_documents

from .sample_documents import DOCUMENT, changed

GET, POST, SHOW = 'GET /api/v1/boats', 'POST /api/v1/boats', 'GET /api/v1/boats/{boat_id}'
STRING = {'type': 'string'}


def compare(change, features=('boats',)):
    """Return the changes of a changed document as texts, each with its verdict."""
    new = changed(change)
    found = compare_documents(DOCUMENT, new, features=frozenset(features), owners={})
    return [(f'{c.feature}: {c.text}', c.is_breaking) for c in found]


def header(**changes):
    return {'in': 'header', 'name': 'X-Crew', 'required': False, 'schema': STRING, **changes}


def query(name, required=False):
    return {'in': 'query', 'name': name, 'required': required, 'schema': STRING}


# Each case has a change of the document, and the expected text.
BREAKING = {
    'removed method': (lambda s: s.paths['/api/v1/boats'].pop('post'), f'{POST} was removed'),
    'removed path': (
        lambda s: s.paths.pop('/api/v1/boats/{boat_id}'), f'{SHOW} was removed',
    ),
    'new operationId': (
        lambda s: s.show.update(operationId='boat_get'),
        f'{SHOW}: operationId boat_show became boat_get',
    ),
    'new tag': (lambda s: s.list.update(tags=['boats', 'x']), f'{GET}: tags boats became boats, x'),
    'required parameter': (
        lambda s: s.list['parameters'].append(query('crew', required=True)),
        f'{GET}: query parameter crew was added (required)',
    ),
    'parameter becomes required': (
        lambda s: s.list['parameters'][1].update(required=True),
        f'{GET}: query parameter sort: is now required',
    ),
    'removed parameter': (
        lambda s: s.list['parameters'].pop(), f'{GET}: query parameter sort was removed',
    ),
    'removed value of a parameter': (
        lambda s: s.sort.update(enum=['name']),
        f'{GET}: query parameter sort: enum without -name',
    ),
    'lower maximum': (
        lambda s: s.limit.update(maximum=100),
        f'{GET}: query parameter limit: maximum 200 became 100',
    ),
    'higher minimum': (
        lambda s: s.limit.update(minimum=2),
        f'{GET}: query parameter limit: minimum 1 became 2',
    ),
    'other default': (
        lambda s: s.limit.update(default=20),
        f'{GET}: query parameter limit: default 50 became 20',
    ),
    'renamed URL argument': (
        lambda s: (
            s.show['parameters'][0].update(name='id'),
            s.paths.update({'/api/v1/boats/{id}': s.paths.pop('/api/v1/boats/{boat_id}')}),
        ),
        f'{SHOW}: path parameter id: name boat_id became id',
    ),
    'other type of a URL argument': (
        lambda s: s.show['parameters'][0]['schema'].update(type='string'),
        f'{SHOW}: path parameter boat_id: type without integer and also string',
    ),
    'required property of a request': (
        lambda s: (
            s.request['properties'].update(crew=STRING),
            s.request['required'].append('crew'),
        ),
        'schema BoatRequest in requests, property crew was added (required)',
    ),
    'property of a request becomes required': (
        lambda s: s.request['required'].append('kind'),
        'schema BoatRequest in requests, property kind is now required',
    ),
    'removed property of a request': (
        lambda s: s.request['properties'].pop('kind'),
        'schema BoatRequest in requests, property kind was removed',
    ),
    'shorter text in a request': (
        lambda s: s.request['properties']['name'].update(maxLength=60),
        'schema BoatRequest in requests, property name: maxLength 80 became 60',
    ),
    'excluded value in a request': (
        lambda s: s.request['properties']['name'].update({'not': {'enum': ['admin']}}),
        'schema BoatRequest in requests, property name: excludes admin',
    ),
    'pattern in a request': (
        lambda s: s.request['properties']['name'].update(pattern='^[a-z]+$'),
        'schema BoatRequest in requests, property name: pattern (none) became ^[a-z]+$',
    ),
    'no null in a request': (
        lambda s: s.request['properties']['length'].update(type='number'),
        'schema BoatRequest in requests, property length: type without null',
    ),
    'integers instead of numbers in a request': (
        lambda s: s.request['properties']['length'].update(type=['integer', 'null']),
        'schema BoatRequest in requests, property length: type without number',
    ),
    'removed media type of a request': (
        lambda s: s.bodies.pop('multipart/form-data'),
        f'{POST}: request body: media type multipart/form-data was removed',
    ),
    'required request body': (
        lambda s: s.show.update(requestBody={'required': True, 'content': {}}),
        f'{SHOW}: request body was added',
    ),
    'login': (
        lambda s: s.show.update(security=[{'bearer': []}]), f'{SHOW}: now requires a login',
    ),
    'permission': (
        lambda s: s.list.update({'x-permission': 'boats:read'}),
        f'{GET}: x-permission (none) became boats:read',
    ),
    'no API keys': (
        lambda s: s.list.pop('x-scope'), f'{GET}: x-scope boats:read became (none)',
    ),
    'other scope': (
        lambda s: s.create.update({'x-scope': 'boats:admin'}),
        f'{POST}: x-scope boats:write became boats:admin',
    ),
    'recent login': (
        lambda s: s.create.update({'x-fresh': True}), f'{POST}: x-fresh (none) became True',
    ),
    'lower rate limit': (
        lambda s: s.list.update({'x-rate-limit': '600/hour'}),
        f'{GET}: rate limit 60/minute became 600/hour',
    ),
    'new rate limit': (
        lambda s: s.show.update({'x-rate-limit': '5/minute'}),
        f'{SHOW}: rate limit (none) became 5/minute',
    ),
    'removed property of a response': (
        lambda s: (s.boat['properties'].pop('kind'), s.boat['required'].remove('kind')),
        'schema Boat in responses, property kind was removed',
    ),
    'optional property of a response': (
        lambda s: s.boat['required'].remove('kind'),
        'schema Boat in responses, property kind is no longer required',
    ),
    'null in a response': (
        lambda s: s.boat['properties']['name'].update(type=['string', 'null']),
        'schema Boat in responses, property name: type also null',
    ),
    'value of a response': (
        lambda s: s.boat['properties']['kind']['enum'].append('steam'),
        'schema Boat in responses, property kind: enum also steam',
    ),
    'other status': (
        lambda s: s.create['responses'].update({'200': s.create['responses'].pop('201')}),
        f'{POST}: response 201 was removed',
    ),
    'further success': (
        lambda s: s.create['responses'].update({'202': {'description': 'Later'}}),
        f'{POST}: response 202 was added',
    ),
    'removed media type of a response': (
        lambda s: s.show['responses']['200']['content'].update(
            {'text/csv': s.show['responses']['200']['content'].pop('application/json')}
        ),
        f'{SHOW}: response 200: media type application/json was removed',
    ),
    'renamed key of an error': (
        lambda s: s.create['responses']['409'].update({'x-keys': ['title']}),
        f'{POST}: response 409: key name was removed',
    ),
    'removed header of a response': (
        lambda s: s.list['responses']['200'].pop('headers'),
        f'{GET}: response 200: header Link was removed',
    ),
    'schema with another name': (
        lambda s: (
            s.document['components']['schemas'].update(Ship=s.boat),
            s.show['responses']['200']['content']['application/json']['schema']['properties'].update(
                data={'$ref': '#/components/schemas/Ship'}
            ),
        ),
        f'{SHOW}: response 200, property data: schema Boat became Ship',
    ),
    'common response': (
        lambda s: s.document['components']['responses']['Fail']['content'].clear(),
        'core: response Fail: media type application/json was removed',
    ),
}  # fmt: skip
COMPATIBLE = {
    'new path': (
        lambda s: s.paths.update({'/api/v1/boats/sunk': {'get': s.list}}),
        'GET /api/v1/boats/sunk was added',
    ),
    'new method': (
        lambda s: s.paths['/api/v1/boats/{boat_id}'].update(head=s.show),
        'HEAD /api/v1/boats/{boat_id} was added',
    ),
    'optional parameter': (
        lambda s: s.list['parameters'].append(query('crew')),
        f'{GET}: query parameter crew was added (optional)',
    ),
    'optional header': (
        lambda s: s.list['parameters'].append(header()),
        f'{GET}: header parameter X-Crew was added (optional)',
    ),
    'further value of a parameter': (
        lambda s: s.sort['enum'].append('length'),
        f'{GET}: query parameter sort: enum also length',
    ),
    'higher maximum': (
        lambda s: s.limit.update(maximum=500),
        f'{GET}: query parameter limit: maximum 200 became 500',
    ),
    'no minimum': (
        lambda s: s.limit.pop('minimum'),
        f'{GET}: query parameter limit: minimum 1 became (none)',
    ),
    'optional property of a request': (
        lambda s: s.request['properties'].update(crew=STRING),
        'schema BoatRequest in requests, property crew was added (optional)',
    ),
    'optional instead of required': (
        lambda s: s.request['required'].clear(),
        'schema BoatRequest in requests, property name is no longer required',
    ),
    'null in a request': (
        lambda s: s.request['properties']['name'].update(type=['string', 'null']),
        'schema BoatRequest in requests, property name: type also null',
    ),
    'further media type of a request': (
        lambda s: s.bodies.update({'text/csv': {}}),
        f'{POST}: request body: media type text/csv was added',
    ),
    'property of a response': (
        lambda s: (s.boat['properties'].update(crew=STRING), s.boat['required'].append('crew')),
        'schema Boat in responses, property crew was added (required)',
    ),
    'integers instead of numbers in a response': (
        lambda s: s.boat['properties']['length'].update(type='integer'),
        'schema Boat in responses, property length: type without number',
    ),
    'fewer values in a response': (
        lambda s: s.boat['properties']['kind'].update(enum=['sail']),
        'schema Boat in responses, property kind: enum without motor',
    ),
    'further error': (
        lambda s: s.show['responses'].update({'410': s.show['responses']['404']}),
        f'{SHOW}: response 410 was added',
    ),
    'error less': (
        lambda s: s.create['responses'].pop('409'), f'{POST}: response 409 was removed',
    ),
    'not modified': (
        lambda s: s.show['responses'].update({'304': {'description': 'Not modified'}}),
        f'{SHOW}: response 304 was added',
    ),
    'key of an error': (
        lambda s: s.create['responses']['409'].update({'x-keys': ['crew', 'name']}),
        f'{POST}: response 409: key crew was added',
    ),
    'header of a response': (
        lambda s: s.show['responses']['200'].update(headers={'ETag': {'schema': STRING}}),
        f'{SHOW}: response 200: header ETag was added',
    ),
    'description': (
        lambda s: s.show.update(summary='Print a boat'), f'{SHOW}: summary was changed',
    ),
    'no login': (
        lambda s: s.create.update(security=[]), f'{POST}: no longer requires a login',
    ),
    'API keys': (
        lambda s: (s.list.pop('x-scope'), s.list.update({'x-own': True})),
        f'{GET}: x-own (none) became True',
    ),
    'higher rate limit': (
        lambda s: s.list.update({'x-rate-limit': '100/minute'}),
        f'{GET}: rate limit 60/minute became 100/minute',
    ),
    'deprecation': (
        lambda s: s.show.update({'deprecated': True, 'x-sunset': '2027-06-01'}),
        f'{SHOW}: is now deprecated',
    ),
}  # fmt: skip


class TestCompareDocuments:
    def test_finds_no_change_of_equal_documents(self):
        assert compare(lambda sample: None) == []

    @pytest.mark.parametrize('case', BREAKING)
    def test_names_a_breaking_change(self, case):
        change, text = BREAKING[case]

        feature = '' if text.startswith('core: ') else 'boats: '
        assert (f'{feature}{text}', True) in compare(change)

    @pytest.mark.parametrize('case', COMPATIBLE)
    def test_names_a_compatible_change(self, case):
        change, text = COMPATIBLE[case]

        assert (f'boats: {text}', False) in compare(change)

    @pytest.mark.parametrize('case', COMPATIBLE.keys() - {'API keys'})
    def test_finds_nothing_else_in_a_compatible_change(self, case):
        assert len(compare(COMPATIBLE[case][0])) == 1

    @pytest.mark.parametrize(('after', 'breaks'), [('2027-05-01', True), ('2027-07-01', False)])
    def test_names_another_sunset_date(self, after, breaks):
        old, new = (
            changed(lambda s, day=day: s.show.update({'deprecated': True, 'x-sunset': day}))
            for day in ('2027-06-01', after)
        )

        [found] = compare_documents(old, new, features=frozenset({'boats'}), owners={})

        assert found.text == f'{SHOW}: sunset 2027-06-01 became {after}'
        assert found.is_breaking is breaks

    def test_names_a_change_of_a_schema_once_with_all_routes(self):
        new = changed(lambda s: s.boat['properties']['name'].update(maxLength=5))
        old = changed(lambda s: s.boat['properties']['name'].update(maxLength=4))

        [found] = compare_documents(
            old, new, features=frozenset({'boats'}), owners={'Boat': 'fleet'}
        )

        assert found.feature == 'fleet'
        assert found.text == 'schema Boat in responses, property name: maxLength 4 became 5'
        assert found.routes == (GET, SHOW, POST)

    def test_names_a_removed_feature_once(self):
        found = compare(lambda s: s.paths.clear(), features=())

        assert found == [('boats: the feature was removed', True)]

    def test_compares_schemas_that_contain_themselves(self):
        def change(sample, length=5):
            sample.boat['properties']['tender'] = {'$ref': '#/components/schemas/Boat'}
            sample.boat['properties']['name']['maxLength'] = length

        [found] = compare_documents(
            changed(lambda s: change(s, 9)), changed(change), features=frozenset(), owners={}
        )

        assert found.text.endswith('property name: maxLength 9 became 5')

    def test_does_not_change_the_documents(self):
        before = deepcopy(DOCUMENT)

        compare(lambda s: s.paths.clear())

        assert before == DOCUMENT
