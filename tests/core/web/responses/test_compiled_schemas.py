"""Compiled schemas: their JSON must equal that of the marshmallow schema byte for byte."""

import collections
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields, post_dump, pre_dump
from sqlalchemy import literal, select

from project.core.database.session import db
from project.core.web.requests.fields import EmailAddress, PinCode, Text, Timestamp
from project.core.web.responses.compiled_schemas import compile_dump
from project.core.web.responses.jsend import to_json

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
VALUES = {
    'id': UUID(int=7),
    'name': 'Jürgen "🎩"\n',
    'address': 'ada@example.com',
    'email': 'ada@example.com',
    'size': 2**53,
    'done': True,
    'pin': '000042',
    'created_at': NOON,
    'tags': ['a', 'ü'],
}


class PlainSchema(Schema):
    id = fields.UUID()
    name = Text(max=80)
    address = EmailAddress()
    email = fields.Email()
    size = fields.Int()
    done = fields.Bool()
    pin = PinCode()
    created_at = Timestamp()
    tags = fields.List(fields.Str())


class OtherSchema(Schema):
    size = fields.Int()
    owner = fields.Nested(lambda: OwnerSchema())
    shout = fields.Method('get_shout')
    name = fields.Str()
    price = fields.Float()

    def get_shout(self, thing):
        found = thing['name'] if isinstance(thing, dict) else thing.name
        return found.upper()


class OwnerSchema(Schema):
    name = fields.Str()


class RenamedSchema(Schema):
    given_name = fields.Str(data_key='givenName', attribute='name')
    half = fields.Function(lambda thing: 21, data_key='Half')
    size = fields.Int(data_key='Size')


class Hidden(Schema):
    name = fields.Str()
    password = fields.Str(load_only=True)


class OneSchema(Schema):
    name = fields.Str()


class DottedSchema(Schema):
    owner_name = fields.Str(attribute='owner.name')
    name = fields.Str()


class NumberAsTextSchema(Schema):
    size = fields.Int(as_string=True)
    name = fields.Str()


class ShoutingSchema(Schema):
    name = fields.Str()

    @post_dump
    def shout(self, dumped, **_):
        return {key: value.upper() for key, value in dumped.items()}


class UnwrappingSchema(Schema):
    name = fields.Str()

    @pre_dump
    def unwrap(self, thing, **_):
        return SimpleNamespace(name=f'really {thing.name}')


class ReversedStr(fields.Str):
    def _serialize(self, value, *args, **kwargs):
        return super()._serialize(value, *args, **kwargs)[::-1]


class SubclassSchema(Schema):
    name = ReversedStr()
    size = fields.Int()


def dump_and_compare(schema_class, thing):
    """Return the JSON of the compiled schema; check that the schema itself returns the same."""
    schema = schema_class()
    expected, dumped = to_json(schema.dump(thing)), to_json(compile_dump(schema)(thing))
    assert dumped == expected
    return dumped


class TestCompileDump:
    def test_dumps_an_object(self):
        assert b'"created_at":"2026-11-23T12:00:00.123456Z"' in dump_and_compare(
            PlainSchema, SimpleNamespace(**VALUES)
        )

    def test_dumps_a_mapping(self):
        dump_and_compare(PlainSchema, VALUES)
        dump_and_compare(PlainSchema, MappingProxyType(VALUES))
        dump_and_compare(PlainSchema, collections.ChainMap(VALUES))

    def test_dumps_a_row(self):
        row = db.session.execute(
            select(literal('Ada').label('name'), literal(5).label('size'))
        ).one()

        assert dump_and_compare(NumberlessSchema, row) == b'{"name":"Ada","size":5}'
        dump_and_compare(NumberlessSchema, row._mapping)

    @pytest.mark.parametrize('name', list(VALUES))
    def test_dumps_none_as_null(self, name):
        dumped = dump_and_compare(PlainSchema, {**VALUES, name: None})

        assert f'"{name}":null'.encode() in dumped

    @pytest.mark.parametrize('name', list(VALUES))
    def test_omits_missing_values(self, name):
        some = {key: value for key, value in VALUES.items() if key != name}

        assert f'"{name}"'.encode() not in dump_and_compare(PlainSchema, some)
        assert f'"{name}"'.encode() not in dump_and_compare(PlainSchema, SimpleNamespace(**some))

    def test_keeps_the_order_of_fields_when_some_cannot_be_compiled(self):
        owner = SimpleNamespace(name='Ada')
        thing = SimpleNamespace(size=1, owner=owner, name='boat', price=2.5)

        assert dump_and_compare(OtherSchema, thing) == (
            b'{"size":1,"owner":{"name":"Ada"},"shout":"BOAT","name":"boat","price":2.5}'
        )

    @pytest.mark.parametrize('missing', ['owner', 'price', 'size'])
    def test_omits_missing_values_of_fields_that_cannot_be_compiled(self, missing):
        thing = {'size': 1, 'owner': {'name': 'Ada'}, 'name': 'boat', 'price': 2.5}
        del thing[missing]

        assert f'"{missing}"'.encode() not in dump_and_compare(OtherSchema, thing)

    def test_dumps_none_as_null_for_fields_that_cannot_be_compiled(self):
        thing = {'size': 1, 'owner': None, 'name': 'boat', 'price': None}

        assert b'"owner":null' in dump_and_compare(OtherSchema, thing)

    def test_uses_the_data_keys_of_the_schema(self):
        assert dump_and_compare(RenamedSchema, {'name': 'Ada', 'size': 2}) == (
            b'{"givenName":"Ada","Half":21,"Size":2}'
        )

    def test_omits_load_only_fields(self):
        assert dump_and_compare(Hidden, {'name': 'Ada', 'password': 'secret'}) == b'{"name":"Ada"}'

    def test_dumps_a_schema_of_one_field(self):
        assert dump_and_compare(OneSchema, SimpleNamespace(name='Ada')) == b'{"name":"Ada"}'

    @pytest.mark.parametrize(
        ('schema', 'dumped'),
        [
            (NumberAsTextSchema, b'{"size":"3","name":"ada"}'),
            (ShoutingSchema, b'{"name":"ADA"}'),
            (UnwrappingSchema, b'{"name":"really ada"}'),
            (SubclassSchema, b'{"name":"ada","size":3}'),
            (DottedSchema, b'{"owner_name":"Eve","name":"ada"}'),
        ],
    )
    def test_keeps_the_custom_behaviour_of_a_schema(self, schema, dumped):
        thing = SimpleNamespace(name='ada', size=3, owner=SimpleNamespace(name='Eve'))

        assert dump_and_compare(schema, thing) == dumped

    def test_compiles_a_schema_that_has_already_dumped(self):
        schema = OneSchema()
        schema.dump({'name': 'x'})

        assert compile_dump(schema).__qualname__ != schema.dump.__qualname__

    def test_dumps_a_schema_without_fields(self):
        assert dump_and_compare(Schema, {'name': 'Ada'}) == b'{}'

    @settings(max_examples=50)
    @given(
        name=st.none() | st.text(),
        size=st.none() | st.integers(-(2**53), 2**53),
        created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
        tags=st.none() | st.lists(st.text(), max_size=3),
    )
    def test_equals_the_schema_for_any_values(self, name, size, created_at, tags):
        dump_and_compare(
            PlainSchema,
            {**VALUES, 'name': name, 'size': size, 'created_at': created_at, 'tags': tags},
        )

    def test_omits_the_fraction_of_a_whole_second(self):
        dumped = dump_and_compare(
            PlainSchema, {**VALUES, 'created_at': NOON - timedelta(microseconds=123456)}
        )

        assert b'"2026-11-23T12:00:00Z"' in dumped


class NumberlessSchema(Schema):
    name = fields.Str()
    size = fields.Int()
