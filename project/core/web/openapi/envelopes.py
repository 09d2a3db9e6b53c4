"""Schemas of response bodies: the JSend envelopes of successes, and the bodies of errors.

Each has a name in `components`. Otherwise generated clients get a class per operation and status.
"""

from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow.schema_resolver import SchemaResolver
from marshmallow import Schema

from project.core.registration import RegistrationError
from project.core.web.endpoints.endpoint_spec import EndpointSpec
from project.core.web.endpoints.schema_names import schema_name

SCHEMA_PREFIX = '#/components/schemas/'
EMPTY = 'EmptyResponse'

# The value null as a constant: openapi-generator fails at `{'type': 'null'}`.
NULL = {'const': None, 'description': 'No data.'}

REASONS = {
    'type': 'object',
    'description': 'The reasons by key. A key is the name of a field, or one of the keys that the '
    'operation lists.',
    'additionalProperties': {
        'anyOf': [
            {'type': 'array', 'items': {'type': 'string'}},
            # Errors of list elements, by their position. The type names no properties, so that
            # generated clients keep them.
            {'type': 'object', 'additionalProperties': True},
        ]
    },
}


def envelope(status: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of a JSend envelope. Clients must accept further properties."""
    shown = {'const': status, 'type': 'string', 'description': 'The JSend status.'}
    return members(status=shown, **properties)


def members(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object that has at least these properties."""
    return {'type': 'object', 'properties': properties, 'required': list(properties)}


class Envelopes:
    """The envelopes of successful responses. Each is created when an operation first uses it.

    :param modules: the module that defines each envelope, by name: that of the schema inside.
    """

    def __init__(self, api_spec: APISpec, resolver: SchemaResolver) -> None:
        self._components, self._resolver = api_spec.components, resolver
        self.modules: dict[str, str] = {}

    def reference(self, spec: EndpointSpec) -> dict[str, str]:
        """Return a reference to the schema of the successful responses of an endpoint."""
        if spec.returns is None:
            return self.empty()
        name, data, module = schema_name(spec.returns), spec.returns, spec.returns.__module__
        if spec.is_list:
            return self._add(f'{name}ListResponse', self._list_of(name, data), module)
        if spec.many:
            return self._add(f'{name}ArrayResponse', envelope('success', data=_array(data)), module)
        return self._add(f'{name}Response', envelope('success', data=data), module)

    def empty(self) -> dict[str, str]:
        """Return a reference to the schema of successful responses without data."""
        return self._add(EMPTY, envelope('success', data=NULL), __name__)

    def _list_of(self, name: str, item: type[Schema]) -> dict[str, Any]:
        following = {
            'type': ['string', 'null'],
            'description': 'The `cursor` of the next page; null on the last page.',
        }
        page = {'description': 'A page of a list.'} | members(
            items=_array(item, 'The objects of this page.'), next=following
        )
        return envelope('success', data=self._add(f'{name}List', page, item.__module__))

    def _add(self, name: str, schema: dict[str, Any], module: str) -> dict[str, str]:
        if name not in self.modules:
            if name in self._components.schemas:
                raise RegistrationError(f'the schema {name} has the name of a response')
            self.modules[name] = module
            resolver: Any = self._resolver
            resolved = resolver.resolve_schema_dict(schema)
            text = {'description': 'The body of a successful response.'}
            self._components.schema(name, text | resolved)
        return {'$ref': f'{SCHEMA_PREFIX}{name}'}


def _array(item: type[Schema], description: str = 'The objects.') -> dict[str, Any]:
    return {'type': 'array', 'items': item, 'description': description}


def add_error_schemas(api_spec: APISpec) -> None:
    """Add the schemas of error responses: JSend, and RFC 9457."""
    reasons = {'$ref': f'{SCHEMA_PREFIX}Reasons'}
    add = api_spec.components.schema
    add('Reasons', REASONS)
    fail = envelope('fail', data=reasons)
    add('Fail', {**fail, 'description': 'A JSend response to a request that is at fault.'})
    message = {'type': 'string', 'description': 'The fault, for people.'}
    code = {'type': 'integer', 'description': 'The status code of the response.'}
    error = envelope('error', message=message, code=code)
    add('Error', {**error, 'description': 'A JSend response for a fault of the service.'})
    add('Problem', {**_problem(reasons), 'description': 'An error in the form of RFC 9457.'})


def _problem(reasons: dict[str, str]) -> dict[str, Any]:
    text = {'type': 'string'}
    problem = members(
        type={**text, 'description': 'Always `about:blank`: the status defines the problem.'},
        title={**text, 'description': 'The phrase of the status code.'},
        status={'type': 'integer', 'description': 'The status code of the response.'},
        detail={**text, 'description': 'The fault, for people.'},
        request_id={**text, 'description': 'The id of the request in the log of the service.'},
    )
    # Only faults of the request have reasons.
    problem['properties']['errors'] = reasons
    return problem
