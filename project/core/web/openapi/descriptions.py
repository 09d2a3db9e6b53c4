"""Descriptions that requests share with responses.

A field of a request means the same as the field of that name in the returned object, unless it has
a description of its own. A query parameter of a list is a filter by that field.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from .envelopes import SCHEMA_PREFIX

Document = Mapping[str, Any]

FILTER = 'Only objects with this value.'


def share_descriptions(document: Document) -> None:
    """Add the missing descriptions of request fields and query parameters."""
    for path in document['paths'].values():
        for operation in path.values():
            returned, is_list = _returned(document, operation)
            for parameter in operation['parameters']:
                text = returned.get(parameter['name'], {}).get('description')
                if text and parameter['in'] == 'query' and not parameter.get('description'):
                    parameter['description'] = f'{FILTER} {text}' if is_list else text
            for body in operation.get('requestBody', {}).get('content', {}).values():
                _describe(_resolved(document, body['schema']).get('properties', {}), returned)


def _describe(properties: Mapping[str, Any], returned: Mapping[str, Any]) -> None:
    for name, schema in properties.items():
        text = returned.get(name, {}).get('description')
        if text and not schema.get('description'):
            schema['description'] = text


def _returned(document: Document, operation: Document) -> tuple[Mapping[str, Any], bool]:
    """Return the properties of the object that an operation returns, and whether it is a list."""
    for schema in _success_schemas(operation):
        data = _property(document, schema, 'data')
        items = _property(document, data, 'items')
        item = items.get('items') or data.get('items') or data
        return _resolved(document, item).get('properties', {}), bool(items)
    return {}, False


def _success_schemas(operation: Document) -> Iterator[Document]:
    for code, response in operation['responses'].items():
        if code.startswith('2') and '$ref' in (schema := _json_schema(response)):
            yield schema


def _json_schema(response: Document) -> Document:
    schema: Document = response.get('content', {}).get('application/json', {}).get('schema', {})
    return schema


def _property(document: Document, schema: Document, name: str) -> Document:
    found = _resolved(document, schema).get('properties', {}).get(name, {})
    return _resolved(document, found)


def _resolved(document: Document, schema: Document) -> Document:
    """Return the schema to which a reference refers; otherwise the schema itself."""
    name = schema.get('$ref', '').removeprefix(SCHEMA_PREFIX)
    found: Document = document['components']['schemas'][name] if name else schema
    return found
