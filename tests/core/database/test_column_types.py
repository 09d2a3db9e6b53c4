"""Column types, and the Python type that each declares for its values."""

import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, Numeric, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

from project.core.database.column_types import ensure_ordered, python_type_of, validate_columns
from project.core.database.types import UTCDateTime, WordList
from project.core.value_codec import UnsupportedType


class Point(UserDefinedType):
    """A column type that does not declare a Python type: its `python_type` raises an error."""

    def get_col_spec(self, **_):
        return 'POINT'


class Complex(Point):
    @property
    def python_type(self):
        return complex


class TestPythonTypeOf:
    @pytest.mark.parametrize(
        ('column_type', 'of'),
        [(JSON(), dict), (JSONB(), dict), (WordList(), list), (Integer(), int)],
    )
    def test_is_the_type_of_the_values(self, column_type, of):
        assert python_type_of(column_type) is of

    def test_is_datetime_for_utc_times(self):
        assert python_type_of(UTCDateTime()).__name__ == 'datetime'

    @pytest.mark.parametrize(
        ('column_type', 'message'),
        [(Point(), 'Point does not define python_type'), (Complex(), 'complex has no form')],
    )
    def test_raises_for_other_types(self, column_type, message):
        with pytest.raises(UnsupportedType, match=message):
            python_type_of(column_type)


class TestValidateColumns:
    def test_names_a_column_of_an_unsupported_type(self):
        metadata = MetaData()
        Table('boats', metadata, Column('id', Integer), Column('place', Complex))

        with pytest.raises(UnsupportedType, match=r'boats\.place: complex has no form'):
            validate_columns(metadata)


class TestEnsureOrdered:
    @pytest.mark.parametrize('column_type', [Integer(), Numeric(10, 2), UTCDateTime()])
    def test_accepts_types_with_an_order(self, column_type):
        ensure_ordered(Column('a', column_type), 'the list')

    @pytest.mark.parametrize('column_type', [JSON(), WordList(), Complex()])
    def test_raises_for_other_types(self, column_type):
        with pytest.raises(UnsupportedType, match='the list: a: '):
            ensure_ordered(Column('a', column_type), 'the list')
