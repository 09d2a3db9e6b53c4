"""Parts of JSON Schemas: references, and the types and values that a schema accepts."""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
Document: TypeAlias = Mapping[str, Any]

SCHEMA_PREFIX = '#/components/schemas/'


def name_of(schema: Schema) -> str | None:
    """Return the name of the schema in `components` to which a `$ref` refers."""
    reference: str = schema.get('$ref', '')
    is_named = reference.startswith(SCHEMA_PREFIX)
    return reference.removeprefix(SCHEMA_PREFIX) if is_named else None


def resolved(part: Schema, document: Document) -> Schema:
    """Return a part of a document in which a `$ref` and an `allOf` of one schema are replaced."""
    while True:
        if '$ref' in part:
            found: Any = document
            for key in part['$ref'].removeprefix('#/').split('/'):
                found = found[key]
            part = {**found, **{key: value for key, value in part.items() if key != '$ref'}}
        elif len(part.get('allOf', ())) == 1:
            part = {**part['allOf'][0], **{k: v for k, v in part.items() if k != 'allOf'}}
        else:
            return part


def accepted_types(schema: Schema) -> frozenset[str] | None:
    declared = schema.get('type')
    if declared is None:
        # Constants have a type, even if the schema does not name it.
        values = _values(schema)
        return None if values is None else frozenset(t for v in values for t in _types_of(v))
    names = frozenset([declared] if isinstance(declared, str) else declared)
    return names | {'integer'} if 'number' in names else names


def _types_of(value: object) -> tuple[str, ...]:
    names: dict[type, tuple[str, ...]] = {
        bool: ('boolean',), int: ('integer',), float: ('number', 'integer'), str: ('string',),
        list: ('array',), dict: ('object',), type(None): ('null',),
    }  # fmt: skip
    return names[type(value)]


def accepted_values(schema: Schema) -> frozenset[str] | None:
    """Return the values of `enum` or `const` as texts, or None without these keywords."""
    values = _values(schema)
    return None if values is None else frozenset(shown(value) for value in values)


def _values(schema: Schema) -> list[object] | None:
    if 'const' in schema:
        return [schema['const']]
    found: list[object] | None = schema.get('enum')
    return found


def shown(value: object) -> str:
    """Return a value for a message."""
    if value is None:
        return '(none)'
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
