"""Operations: a method of a URL rule, and the methods of rules that share a path."""

import inspect
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from project.core.web.endpoints.deprecation import Deprecation
from project.core.web.endpoints.endpoint_spec import (
    ENDPOINT_SPECS,
    EndpointSpec,
    handler_of,
)
from project.core.web.routing import URL_ARGUMENT_PATTERN

from .bodies import request_body
from .envelopes import Envelopes
from .headers import header_parameters
from .operation_ids import operation_id
from .operation_keys import access_keys, access_text, deprecation_keys
from .paths import DocumentedPath, documented_path
from .responses import responses_of
from .tags import tag_of

Operation = dict[str, Any]

URL_ARGUMENT_SCHEMAS: dict[str, dict[str, Any]] = {
    'int': {'type': 'integer', 'minimum': 0, 'maximum': 2147483647},
    'uuid': {'type': 'string', 'format': 'uuid'},
    'string': {'type': 'string', 'minLength': 1, 'maxLength': 255},
    'path': {'type': 'string', 'minLength': 1, 'maxLength': 255},
}


def operation_of(
    app: Flask, rule: Rule, method: str, path: DocumentedPath, envelopes: Envelopes
) -> Operation:
    """Return the operation of a method of a URL rule."""
    spec, view = ENDPOINT_SPECS.of(app)[rule.endpoint, method], app.view_functions[rule.endpoint]
    summary, _, text = (inspect.getdoc(handler_of(view, method)) or '').partition('\n')
    is_view = hasattr(view, 'view_class')
    operation: Operation = {
        'operationId': operation_id(rule.endpoint, method, spec, is_view=is_view),
        'summary': summary.rstrip('.'),
        'description': '\n\n'.join(part for part in (text.strip(), access_text(spec)) if part),
        'tags': [tag_of(rule)],
        'parameters': [
            *_url_parameters(rule, spec, path),
            *([{'in': 'query', 'schema': spec.query}] if spec.query else []),
            *header_parameters(rule, method, spec),
        ],
        'responses': responses_of(rule, method, spec, envelopes),
        **access_keys(spec),
    }
    if spec.deprecated:
        operation |= deprecation_keys(
            spec.deprecated, _successor(app, spec.deprecated), operation['description']
        )
    if body := request_body(spec):
        operation['requestBody'] = body
    return operation


def merged(first: Operation, second: Operation) -> Operation:
    """Return the operation that describes two operations with the same method and path.

    The id and the summary are those of the first one. Callers of the merged operation must be
    prepared for the responses of both.
    """
    ours, theirs = (
        {(p['in'], p.get('name')): p for p in operation['parameters']}
        for operation in (first, second)
    )
    return {
        **first,
        'description': '\n\n'.join(
            [first['description'], f'{second["summary"]}. {second["description"]}']
        ),
        'parameters': [
            _merged_parameter(ours[key], theirs[key]) if key in ours and key in theirs else each
            for key, each in (theirs | ours).items()
        ],
        'responses': {
            code: _merged_response(first['responses'].get(code), second['responses'].get(code))
            for code in sorted({*first['responses'], *second['responses']})
        },
        'security': _merged_security(first['security'], second['security']),
    }


def _merged_parameter(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    if ours == theirs or ours['in'] != 'path':
        return ours
    # Generated clients cannot pass one of several types in a path, so a number is a text, too.
    return {
        **ours,
        'description': f'{ours["description"]} Or: {theirs["description"]}',
        'schema': {'type': 'string', 'minLength': 1, 'maxLength': 255},
    }


def _merged_response(ours: dict[str, Any] | None, theirs: dict[str, Any] | None) -> dict[str, Any]:
    if ours is None or theirs is None or ours == theirs:
        return ours or theirs or {}
    if '$ref' in ours or '$ref' in theirs:
        return theirs if '$ref' in ours else ours
    content = theirs.get('content', {}) | ours.get('content', {})
    for kind in set(ours.get('content', {})) & set(theirs.get('content', {})):
        schemas = [each['content'][kind]['schema'] for each in (ours, theirs)]
        content[kind] = {'schema': schemas[0] if schemas[0] == schemas[1] else {'anyOf': schemas}}
    response = {**ours, 'headers': theirs['headers'] | ours['headers'], 'content': content}
    if 'x-keys' in ours and 'x-keys' in theirs:
        lines = [line for each in (ours, theirs) for line in each['description'].splitlines()]
        response['description'] = '\n'.join(dict.fromkeys(lines))
        response['x-keys'] = sorted({*ours['x-keys'], *theirs['x-keys']})
    return response


def _merged_security(ours: list[Any], theirs: list[Any]) -> list[Any]:
    """Return the security of two operations. An empty object means that no login is required."""
    if ours == theirs:
        return ours
    return [{}, *(each for each in (*ours, *theirs) if each)]


def _successor(app: Flask, deprecation: Deprecation) -> str | None:
    """Return the path of the successor of a deprecated operation."""
    if deprecation.successor is None:
        return None
    [rule, *_] = app.url_map.iter_rules(deprecation.successor)
    return documented_path(rule, app)


def _url_parameters(rule: Rule, spec: EndpointSpec, path: DocumentedPath) -> list[dict[str, Any]]:
    found = []
    for match in URL_ARGUMENT_PATTERN.finditer(rule.rule):
        name, kind = match['name'], match['kind'] or 'string'
        schema = URL_ARGUMENT_SCHEMAS[kind] | spec.arguments.get(name, {})
        text = schema.pop('description', '')
        if not text and name.endswith('_id'):
            text = f'The id of the {name.removesuffix("_id").replace("_", " ")}.'
        found.append(
            {
                'name': path.arguments[name],
                'in': 'path',
                'required': True,
                'description': text,
                'schema': schema,
            }
        )
    return found
