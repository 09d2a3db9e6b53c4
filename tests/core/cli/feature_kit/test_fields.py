"""Fields of a generated model on the command line."""

import pytest
from click import UsageError

from project.core.cli.feature_kit.fields import EXAMPLES, Field, parse_fields


class TestParseFields:
    def test_returns_names_types_arguments_and_options(self):
        text = 'number:str:unique due:date:optional state:enum(open,paid) customer:ref(users)'

        assert parse_fields(text) == [
            Field('number', 'str', is_unique=True),
            Field('due', 'date', is_optional=True),
            Field('state', 'enum', ('open', 'paid')),
            Field('customer', 'ref', ('users',)),
        ]

    @pytest.mark.parametrize('kind', sorted(EXAMPLES.keys() - {'enum', 'ref'}))
    def test_accepts_each_type(self, kind):
        assert parse_fields(f'name:{kind}') == [Field('name', kind)]

    @pytest.mark.parametrize(
        ('text', 'reason'),
        [
            ('', '--fields is empty'),
            ('name', "'name' is not a field: write NAME:TYPE"),
            ('Name:str', 'the name must be in snake_case'),
            ('1st:str', 'the name must be in snake_case'),
            ('a__b:str', 'the name must be in snake_case'),
            (f'{"a" * 25}:str', 'the name is longer than 24 characters'),
            ('name:string', "the type 'string' is unknown; choose str, text"),
            ('name:str(5)', 'str takes no arguments'),
            ('name:enum', 'give two or more different values'),
            ('name:enum(a)', 'give two or more different values'),
            ('name:enum(a,a)', 'give two or more different values'),
            ('name:enum(a,B)', "the value 'B' must be in snake_case"),
            ('name:ref', 'name one target'),
            ('name:ref(a,b)', 'name one target'),
            ('name:str:uniq', "the option 'uniq' is unknown; choose unique or optional"),
            ('name:json:unique', 'json cannot be unique'),
            ('name:str name:int', "The field 'name' is given twice"),
            ('a:ref(users) a_id:int', "The field 'a_id' is given twice"),
        ],
    )
    def test_rejects_a_fault_with_its_reason(self, text, reason):
        with pytest.raises(UsageError) as error:
            parse_fields(text)

        assert reason in error.value.message


class TestField:
    def test_of_type_ref_has_a_column_with_an_id(self):
        assert Field('customer', 'ref', ('users',)).column == 'customer_id'
        assert Field('name', 'str').column == 'name'
