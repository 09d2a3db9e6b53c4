"""Generation of the OpenAPI document (OpenAPI 3.1) from the endpoint specs."""

import inspect
from typing import Any, NamedTuple, cast

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask, current_app
from marshmallow import fields
from werkzeug.routing import Rule

from project.core.app_values import AppValue
from project.core.security.permissions import permission_descriptions
from project.core.value_codec import encode
from project.core.web.endpoints.deprecation import Deprecation
from project.core.web.endpoints.endpoint_spec import (
    ENDPOINT_SPECS,
    SAFE_METHODS,
    EndpointSpec,
    declared_methods,
    handler_of,
)
from project.core.web.endpoints.schema_names import schema_name
from project.core.web.requests.fields import EmailAddress, OtpCode, Text, Timestamp
from project.core.web.responses.headers import EXPOSED_HEADERS
from project.core.web.routing import URL_ARGUMENT_PATTERN, openapi_path

from .headers import has_ranges, header_parameters, response_headers
from .operation_keys import access_keys, deprecation_keys

URL_ARGUMENT_SCHEMAS: dict[str, dict[str, Any]] = {
    'int': {'type': 'integer', 'minimum': 0, 'maximum': 2147483647},
    'uuid': {'type': 'string', 'format': 'uuid'},
    'string': {'type': 'string', 'minLength': 1, 'maxLength': 255},
    'path': {'type': 'string', 'minLength': 1, 'maxLength': 255},
}
# Suffixes in the names of request schemas. All other schemas are for responses; their fields are
# all required.
REQUEST_SCHEMA_SUFFIXES = ('Request', 'Form', 'Query')
BINARY_SCHEMA = {'type': 'string', 'format': 'binary'}
FAIL_RESPONSE = {'$ref': '#/components/responses/Fail'}
ERROR_RESPONSE = {'$ref': '#/components/responses/Error'}


class Generated(NamedTuple):
    """The OpenAPI document, and the module that defines each schema in it."""

    document: dict[str, object]
    schema_modules: dict[str, str]


GENERATED: AppValue[Generated] = AppValue('openapi')


def specification(app: Flask | None = None) -> dict[str, object]:
    """Return the OpenAPI document of all routes. It is generated once per application."""
    return _generated(app).document


def schema_modules(app: Flask | None = None) -> dict[str, str]:
    """Return the module that defines each schema of the document, by the name of the schema."""
    return _generated(app).schema_modules


def _generated(app: Flask | None) -> Generated:
    app = app or current_app
    if not GENERATED.is_set(app):
        GENERATED.set(app, _build(app))
    return GENERATED.of(app)


def _build(app: Flask) -> Generated:
    marshmallow: Any = MarshmallowPlugin(schema_name_resolver=schema_name)
    api_spec = APISpec(
        title='Large Flask API',
        version='1.0.0',
        openapi_version='3.1.0',
        plugins=[marshmallow],
        info={'description': 'User accounts and file storage. JSON responses are strict JSend.'},
        servers=[{'url': '/'}],
    )
    for kind, ours in (
        (Text, fields.Str),
        (EmailAddress, fields.Email),
        (Timestamp, fields.DateTime),
    ):
        marshmallow.map_to_openapi_type(kind, ours)
    # Decimals become strings, because most JSON parsers convert numbers to binary floating point.
    marshmallow.map_to_openapi_type(fields.Decimal, 'string', 'decimal')
    marshmallow.converter.add_attribute_function(_constraints)
    _add_components(api_spec)
    rules = sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
    for rule in rules:
        operations = {
            method.lower(): _operation(app, rule, method)
            for method in sorted(documented_methods(rule, app))
        }
        api_spec.path(path=openapi_path(rule), operations=operations)
    # The limits of `Range` validators are Python values, such as dates and durations: convert them
    # to JSON.
    document = cast(dict[str, Any], encode(api_spec.to_dict()))
    for name, schema in document['components']['schemas'].items():
        # Requests with unknown fields are rejected, except forms (`load_form`), and responses never
        # contain unknown fields.
        schema['additionalProperties'] = name.endswith('Form')
        if not name.endswith(REQUEST_SCHEMA_SUFFIXES):
            schema['required'] = list(schema['properties'])
    modules = {name: key[0].__module__ for key, name in marshmallow.converter.refs.items()}
    return Generated(document, modules)


def documented_methods(rule: Rule, app: Flask | None = None) -> set[str]:
    """Return the methods of a URL rule that the document describes.

    HEAD is described only if the route supports ranges or has no GET.
    """
    methods, specs = declared_methods(rule), ENDPOINT_SPECS.of(app or current_app)
    if {'GET', 'HEAD'} <= methods and not has_ranges(specs[rule.endpoint, 'HEAD']):
        methods -= {'HEAD'}
    return methods


def _constraints(_converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    if isinstance(field, OtpCode):
        return {'type': 'string', 'pattern': f'^(?:{field.pattern})$'}
    if isinstance(field, EmailAddress):
        return {'format': 'email', 'maxLength': 254}
    return {}


def _operation(app: Flask, rule: Rule, method: str) -> dict[str, Any]:
    spec = ENDPOINT_SPECS.of(app)[rule.endpoint, method]
    handler = handler_of(app.view_functions[rule.endpoint], method)
    summary, _, description = (inspect.getdoc(handler) or '').partition('\n')
    name = rule.endpoint.rsplit('.', 1)[-1]
    is_view = hasattr(app.view_functions[rule.endpoint], 'view_class')
    operation: dict[str, Any] = {
        'operationId': f'{name}_{method.lower()}' if is_view or method == 'HEAD' else name,
        'summary': summary.rstrip('.'),
        'description': description.strip() or summary,
        'tags': [_tag(rule)],
        'parameters': [
            *_url_parameters(rule, spec),
            *_query_parameters(spec),
            *header_parameters(rule, method, spec),
        ],
        'responses': _responses(rule, method, spec),
        **access_keys(spec),
    }
    if spec.deprecated:
        operation |= deprecation_keys(
            spec.deprecated, _successor(app, spec.deprecated), operation['description']
        )
    if body := _body(spec):
        # A raw body may be empty, so it is not required.
        operation['requestBody'] = {'required': not spec.consumes, 'content': body}
    return operation


def _successor(app: Flask, deprecation: Deprecation) -> str | None:
    """Return the path of the successor of a deprecated operation."""
    if deprecation.successor is None:
        return None
    [rule, *_] = app.url_map.iter_rules(deprecation.successor)
    return openapi_path(rule)


def _tag(rule: Rule) -> str:
    parts = rule.endpoint.split('.')
    return parts[1] if len(parts) > 2 else 'service'


def _url_parameters(rule: Rule, spec: EndpointSpec) -> list[dict[str, Any]]:
    return [
        {
            'name': match['name'],
            'in': 'path',
            'required': True,
            'schema': URL_ARGUMENT_SCHEMAS[match['kind'] or 'string']
            | spec.arguments.get(match['name'], {}),
        }
        for match in URL_ARGUMENT_PATTERN.finditer(rule.rule)
    ]


def _query_parameters(spec: EndpointSpec) -> list[dict[str, Any]]:
    return [{'in': 'query', 'schema': spec.query}] if spec.query else []


def _body(spec: EndpointSpec) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if spec.body:
        body['application/json'] = {'schema': spec.body}
    if spec.form:
        body['multipart/form-data'] = {'schema': spec.form}
    if spec.consumes:
        body[spec.consumes] = {'schema': BINARY_SCHEMA}
    return body


def _responses(rule: Rule, method: str, spec: EndpointSpec) -> dict[str, Any]:
    success: dict[str, Any] = _success(spec)
    if method == 'HEAD' or spec.code == 204 or spec.produces == '':
        success = {'description': 'Headers only'}
    responses: dict[str, Any] = {str(spec.code): {**success, **response_headers(spec, spec.code)}}
    errors = [*spec.errors, *spec.implied_errors(rule, method)]
    for code in sorted({error.http_code for error in errors}):
        responses[str(code)] = FAIL_RESPONSE
    if rule.arguments:
        # The same path may match another URL rule with fewer methods, which then returns 405.
        responses['405'] = FAIL_RESPONSE
    if rule.arguments or spec.query:
        # The server returns 414 if the request line is longer than 8,190 bytes.
        responses['414'] = FAIL_RESPONSE
    if method in SAFE_METHODS and (spec.versioned or has_ranges(spec)):
        responses['304'] = {'description': 'Not modified'}
    if has_ranges(spec) and method == 'GET':
        content = {**success['content'], 'multipart/byteranges': {'schema': BINARY_SCHEMA}}
        part = {'description': 'One or several ranges of the content', 'content': content}
        responses['206'] = {**part, **response_headers(spec, 206)}
    if spec.max_body_setting:
        responses['507'] = ERROR_RESPONSE
    if spec.may_return_202:
        made = {'description': 'Not ready yet: try again after `Retry-After` seconds'}
        responses['202'] = {**made, **response_headers(spec, 202)}
    return {**responses, '500': ERROR_RESPONSE, '503': ERROR_RESPONSE}


def _success(spec: EndpointSpec) -> dict[str, Any]:
    if spec.produces:
        is_json = spec.produces == 'application/json'
        schema = {'type': 'object'} if is_json else BINARY_SCHEMA
        content = {spec.produces: {'schema': schema}}
        return {'description': 'The content', 'content': content}
    data: Any = {'type': 'null'}
    if spec.returns:
        data = spec.returns
    if spec.returns and spec.many:
        data = {'type': 'array', 'items': spec.returns}
    if spec.is_list:
        data = _members(items=data, next={'type': ['string', 'null']})
    body = _members(status={'const': 'success'}, data=data)
    return {'description': 'Success', 'content': {'application/json': {'schema': body}}}


def _members(**properties: Any) -> dict[str, Any]:
    return {
        'type': 'object',
        'properties': properties,
        'required': list(properties),
        'additionalProperties': False,
    }


def _add_components(api_spec: APISpec) -> None:
    api_spec.components.security_scheme('bearer', {'type': 'http', 'scheme': 'bearer'})
    reasons = {'type': 'object', 'minProperties': 1, 'additionalProperties': True}
    problem = {'type': 'object', 'required': ['type', 'title', 'status', 'detail', 'request_id']}
    shown = {
        name: {'schema': {'type': 'string'}} for name in EXPOSED_HEADERS if name.startswith('X-Req')
    }
    for name, what, body in (
        ('Fail', 'The request is at fault', _members(status={'const': 'fail'}, data=reasons)),
        (
            'Error',
            'The service is at fault',
            _members(
                status={'const': 'error'}, message={'type': 'string'}, code={'type': 'integer'}
            ),
        ),
    ):
        content = {
            'application/json': {'schema': body},
            'application/problem+json': {'schema': problem},
        }
        api_spec.components.response(
            name, {'description': what, 'content': content, 'headers': shown}
        )
    api_spec.options['x-permissions'] = permission_descriptions()
