"""Names of schemas in `openapi.json`. No two schemas may have the same name."""

from collections.abc import Iterator

from flask import Flask
from marshmallow import Schema, fields

from project.core.registration import Registry, feature_of

from .endpoint_spec import ENDPOINT_SPECS

# Names of types and modules that JavaScript, TypeScript, Java or Python programs use without an
# import, and the names of common schemas. A class of a generated client would hide them.
BUILT_IN_NAMES = {
    'Any', 'Array', 'Attr', 'Blob', 'Boolean', 'Buffer', 'Cache', 'Character', 'Class', 'Client',
    'Collection', 'Comment', 'Console', 'Crypto', 'Date', 'Document', 'Double', 'Element', 'Enum',
    'Error', 'Event', 'Exception', 'Fail', 'File', 'FileList', 'Float', 'Function', 'Headers',
    'History', 'Image', 'Integer', 'Iterator', 'Link', 'List', 'Location', 'Long', 'Map', 'Math',
    'Module', 'Navigator', 'Node', 'None', 'Notification', 'Number', 'Object', 'Option', 'Optional',
    'Package', 'Performance', 'Permission', 'Plugin', 'Problem', 'Process', 'Promise', 'Proxy',
    'Range', 'Reasons', 'Record', 'Reflect', 'Request', 'Response', 'Runtime', 'Screen',
    'Selection', 'Set', 'Storage', 'String', 'Symbol', 'System', 'Text', 'Thread', 'Touch', 'Type',
    'Union', 'Version', 'Window', 'Worker',
}  # fmt: skip


def schema_name(schema: type[Schema] | Schema) -> str:
    """Return the name of a schema in `openapi.json`: `User` for the class `UserSchema`.

    A name that programming languages use gets the name of the feature as a prefix: `BillingEvent`.
    """
    kind = schema if isinstance(schema, type) else type(schema)
    name = kind.__name__.removesuffix('Schema')
    if name in BUILT_IN_NAMES:
        return ''.join(map(str.capitalize, feature_of(kind.__module__).split('_'))) + name
    return name


def validate_schema_names(app: Flask) -> None:
    """Check that the names of all schemas differ. Call it after all routes are registered.

    :raises RegistrationError: if two schemas have the same name. The message names the
        two modules.
    """
    names: Registry[type[Schema]] = Registry('schema')
    found = {
        schema
        for spec in ENDPOINT_SPECS.of(app).values()
        for declared in (spec.body, spec.form, spec.query, spec.returns)
        if declared
        for schema in with_nested(declared)
    }
    for schema in sorted(found, key=lambda schema: schema.__module__):
        names.register(schema_name(schema), schema, owner=schema.__module__)


def with_nested(schema: type[Schema]) -> Iterator[type[Schema]]:
    """Yield a schema and all schemas in its fields."""
    seen: set[type[Schema]] = set()
    found = [schema]
    while found:
        each = found.pop()
        if each not in seen:
            seen.add(each)
            yield each
            found += [type(field.schema) for field in _nested(each)]


def _nested(schema: type[Schema]) -> Iterator[fields.Nested]:
    """Yield the fields of a schema that contain another schema."""
    for declared in schema._declared_fields.values():
        field: object = declared
        while isinstance(field, fields.List):
            field = field.inner
        if isinstance(field, fields.Nested):
            yield field
