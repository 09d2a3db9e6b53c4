"""A small OpenAPI document, and functions that change a copy of it."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

SHOW, CREATE = ('/api/v1/boats/{boat_id}', 'get'), ('/api/v1/boats', 'post')
LIST = ('/api/v1/boats', 'get')

FAIL = {'$ref': '#/components/responses/Fail'}


def _members(**properties: Any) -> dict[str, Any]:
    return {'type': 'object', 'properties': properties, 'required': [*properties],
            'additionalProperties': False}  # fmt: skip


def _success(data: dict[str, Any]) -> dict[str, Any]:
    body = _members(status={'const': 'success'}, data=data)
    return {'description': 'Success', 'content': {'application/json': {'schema': body}}}


BOAT = {'$ref': '#/components/schemas/Boat'}
BOAT_REQUEST = {'$ref': '#/components/schemas/BoatRequest'}

DOCUMENT: dict[str, Any] = {
    'openapi': '3.1.0',
    'servers': [{'url': '/'}],
    'paths': {
        '/api/v1/boats': {
            'get': {
                'operationId': 'boats_list', 'tags': ['boats'], 'summary': 'List boats',
                'security': [{'bearer': []}], 'x-scope': 'boats:read', 'x-rate-limit': '60/minute',
                'parameters': [
                    {'in': 'query', 'name': 'limit', 'required': False,
                     'schema': {'type': 'integer', 'minimum': 1, 'maximum': 200, 'default': 50}},
                    {'in': 'query', 'name': 'sort', 'required': False,
                     'schema': {'type': 'string', 'enum': ['name', '-name']}},
                ],
                'responses': {
                    '200': _success(
                        _members(items={'type': 'array', 'items': BOAT},
                                 next={'type': ['string', 'null']})
                    ) | {'headers': {'Link': {'schema': {'type': 'string'}}}},
                    '401': FAIL,
                },
            },
            'post': {
                'operationId': 'boat_create', 'tags': ['boats'], 'summary': 'Create a boat',
                'security': [{'bearer': []}], 'x-permission': 'boats:write',
                'x-scope': 'boats:write', 'parameters': [],
                'requestBody': {
                    'required': True,
                    'content': {
                        'application/json': {'schema': BOAT_REQUEST},
                        'multipart/form-data': {'schema': {'type': 'object'}},
                    },
                },
                'responses': {
                    '201': _success(BOAT), '409': {'description': 'Conflict', 'x-keys': ['name']},
                },
            },
        },
        '/api/v1/boats/{boat_id}': {
            'get': {
                'operationId': 'boat_show', 'tags': ['boats'], 'summary': 'Show a boat',
                'security': [],
                'parameters': [
                    {'in': 'path', 'name': 'boat_id', 'required': True,
                     'schema': {'type': 'integer'}},
                ],
                'responses': {'200': _success(BOAT), '404': FAIL},
            },
        },
    },
    'components': {
        'schemas': {
            'Boat': _members(
                id={'type': 'integer'}, name={'type': 'string'},
                kind={'type': 'string', 'enum': ['sail', 'motor']}, length={'type': 'number'},
            ),
            'BoatRequest': {
                'type': 'object',
                'properties': {
                    'name': {'type': 'string', 'minLength': 1, 'maxLength': 80},
                    'length': {'type': ['number', 'null'], 'minimum': 1},
                    'kind': {'type': 'string', 'enum': ['sail', 'motor']},
                },
                'required': ['name'],
                'additionalProperties': False,
            },
        },
        'responses': {'Fail': {'description': 'Fail', 'content': {'application/json': {}}}},
        'securitySchemes': {'bearer': {'type': 'http', 'scheme': 'bearer'}},
    },
}  # fmt: skip


class Sample:
    """A copy of the document, with short names for its parts. Tests change it."""

    def __init__(self) -> None:
        self.document = deepcopy(DOCUMENT)
        self.paths = self.document['paths']
        self.list = self.paths[LIST[0]][LIST[1]]
        self.create = self.paths[CREATE[0]][CREATE[1]]
        self.show = self.paths[SHOW[0]][SHOW[1]]
        self.limit, self.sort = (each['schema'] for each in self.list['parameters'])
        self.bodies = self.create['requestBody']['content']
        schemas = self.document['components']['schemas']
        self.boat, self.request = schemas['Boat'], schemas['BoatRequest']


def changed(change: Callable[[Sample], Any]) -> dict[str, Any]:
    """Return a copy of the document after a change."""
    sample = Sample()
    change(sample)
    return sample.document
