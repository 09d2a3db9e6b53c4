"""Rules that hold for the declarations of all routes."""

from marshmallow import fields

from project.core.web.requests.fields import Timestamp

OTHER_MOMENTS = (fields.DateTime, fields.Date, fields.Time, fields.TimeDelta)


def fields_of(schema):
    """Yield every field of a schema, those of nested schemas and lists included."""
    for name, field in schema().fields.items():
        while isinstance(field, fields.List):
            field = field.inner
        yield f'{schema.__name__}.{name}', field
        if isinstance(field, fields.Nested):
            yield from fields_of(type(field.schema))


class TestSchemas:
    def test_declare_every_moment_as_timestamp(self, app):
        schemas = {
            schema
            for spec in app.extensions['endpoint_specs'].values()
            for schema in (spec.body, spec.form, spec.query, spec.returns)
            if schema
        }
        found = dict(pair for schema in schemas for pair in fields_of(schema))

        assert [name for name, field in found.items() if isinstance(field, OTHER_MOMENTS)] == []
        others = [
            name
            for name, field in found.items()
            if name.endswith('_at') and not isinstance(field, Timestamp)
        ]
        assert others == []
        assert isinstance(found['KeyCreateRequest.expires_at'], Timestamp)
