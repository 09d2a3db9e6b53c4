"""Names of schemas in `openapi.json`. No two schemas may have the same name."""

from collections.abc import Iterator

from flask import Flask
from marshmallow import Schema, fields

from project.core.registration import Registry

from .endpoint_spec import ENDPOINT_SPECS


def schema_name(schema: type[Schema] | Schema) -> str:
    """Return the name of a schema in `openapi.json`: `User` for the class `UserSchema`."""
    name = (schema if isinstance(schema, type) else type(schema)).__name__
    return name.removesuffix('Schema')


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
