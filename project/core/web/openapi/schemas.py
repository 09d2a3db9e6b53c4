"""Schemas of requests and responses: the conversion of fields, and rules for all schemas."""

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

from project.core.security.permissions import all_permissions
from project.core.web.endpoints.schema_names import schema_name, with_nested
from project.core.web.requests.column_fields import Boolean, FixedDecimal, Integer, JsonObject
from project.core.web.requests.fields import (
    CommaSeparated,
    EmailAddress,
    OtpCode,
    PermissionName,
    Text,
    Timestamp,
)
from project.core.web.requests.pagination import QueryInteger

from .envelopes import SCHEMA_PREFIX

PERMISSION = 'Permission'

# Field classes whose values may mean anything.
GENERAL_FIELDS = (
    Text, Timestamp, CommaSeparated, Boolean, FixedDecimal, Integer, JsonObject, QueryInteger,
)  # fmt: skip


def configured_converter(marshmallow: MarshmallowPlugin) -> OpenAPIConverter:
    """Return the converter of the plugin, with conversions of the project's fields."""
    # The package declares no types.
    plugin: Any = marshmallow
    for kind, ours in (
        (Text, fields.Str),
        (EmailAddress, fields.Email),
        (Timestamp, fields.DateTime),
    ):
        plugin.map_to_openapi_type(kind, ours)
    # Decimals become strings, because most JSON parsers convert numbers to binary floating point.
    plugin.map_to_openapi_type(fields.Decimal, 'string', 'decimal')
    plugin.converter.add_attribute_function(_constraints)
    plugin.converter.add_attribute_function(_description)
    converter: OpenAPIConverter = plugin.converter
    return converter


def _description(_converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    """Return the first line of the docstring of a field class that has one meaning, as `Password`.

    Each field with another class describes itself: `metadata={'description': …}`.
    """
    kind = type(field)
    is_general = kind in GENERAL_FIELDS or kind.__module__.startswith('marshmallow')
    if is_general or 'description' in field.metadata:
        return {}
    return {'description': (inspect.getdoc(kind) or '').partition('\n')[0]}


def _constraints(_converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    if isinstance(field, OtpCode):
        return {'type': 'string', 'pattern': f'^(?:{field.pattern})$'}
    if isinstance(field, EmailAddress):
        return {'format': 'email', 'maxLength': 254}
    if isinstance(field, PermissionName):
        return {'$ref': f'{SCHEMA_PREFIX}{PERMISSION}'}
    return {}


def permission_schema() -> dict[str, Any]:
    """Return the schema of the names of all permissions."""
    return {
        'type': 'string',
        'description': 'The name of a permission. `x-permissions` has their meaning.',
        'enum': sorted(all_permissions()),
    }


def request_schemas(declared: Iterable[type[Schema] | None]) -> set[str]:
    """Return the names of all schemas in request bodies.

    :param declared: the schemas of the bodies and forms of all endpoints.
    """
    found = {schema for each in declared if each for schema in with_nested(each)}
    return {schema_name(schema) for schema in found}


def complete_schema(schema: dict[str, Any], kind: type[Schema], *, is_request: bool) -> None:
    """Add to a converted schema its description, and which properties it has.

    Requests with unknown fields are rejected, except forms, because upload widgets send fields of
    their own. Responses have all of their fields, and clients must accept further ones, which a
    later version may add.
    """
    schema['description'] = inspect.cleandoc(kind.__doc__ or '')
    if is_request:
        schema['additionalProperties'] = kind.__name__.endswith('Form')
    else:
        # The converter adds it, because schemas reject unknown fields when they load.
        schema.pop('additionalProperties', None)
        schema['required'] = list(schema['properties'])


def add_number_formats(document: Any) -> None:
    """Add the format of each integer and number in a document.

    Without it, generators for languages with several kinds of integers use 32 bits.
    """
    for part in _parts(document):
        types = part.get('type')
        names = {types} if isinstance(types, str) else set(types or ())
        for name, form in (('integer', 'int64'), ('number', 'double')):
            if name in names and 'format' not in part:
                part['format'] = form


def replace_permission_names(document: Any) -> None:
    """Reduce each reference to the names of permissions to the reference.

    The converter also adds the keywords of a text, with which generators ignore the reference.
    """
    target = f'{SCHEMA_PREFIX}{PERMISSION}'
    for part in _parts(document):
        if part.get('$ref') == target:
            for key in set(part) - {'$ref', 'description'}:
                del part[key]


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield each schema in a document: each object whose `type` or `$ref` is not a property."""
    if isinstance(value, dict):
        if isinstance(value.get('type', value.get('$ref')), str | list):
            yield value
        for name, inner in value.items():
            if name not in ('example', 'examples', 'default', 'enum'):
                yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)
