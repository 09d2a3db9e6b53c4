"""Selection of lines of the template."""

import ast

import pytest

from project.core.cli.feature_kit.fields import EXAMPLES, Field
from project.core.cli.feature_kit.repository import TEMPLATE
from project.core.cli.feature_kit.selection import example_of, select_lines, units_of
from project.core.cli.feature_kit.words import Words

MODULES = sorted(TEMPLATE.glob('*/**/*.py'))


def selected(text, *fields):
    """Return the lines that are selected for these fields, without any adaptation."""
    return select_lines(text, fields, lambda field, unit: unit)


class TestExampleOf:
    @pytest.mark.parametrize(
        ('line', 'example'),
        [
            ('    title: str', 'title'),
            ('    subtitle: str', 'subtitle'),
            ('    RareBookCondition,', 'condition'),
            ('UNKNOWN_DEALER_ID = 1', 'dealer'),
            ('def test_raises_if_the_shelf_mark_is_taken(self):', 'shelf_mark'),
            ('    entitled = 1', None),
            ('    version: int', None),
        ],
    )
    def test_returns_the_field_that_a_line_contains(self, line, example):
        assert example_of(line) == example

    def test_rejects_a_line_with_two_fields(self):
        with pytest.raises(ValueError, match='belongs to title and price'):
            example_of("sort_by('title', 'price')")


class TestUnitsOf:
    def test_includes_the_rest_of_a_bracket(self):
        [unit, rest] = units_of('condition = column(\n    Enum()\n)\nx = 1\n')

        assert unit.text == 'condition = column(\n    Enum()\n)\n'
        assert rest.example is None

    def test_includes_the_block_of_a_definition(self):
        [unit, rest] = units_of(
            'class Condition(Enum):\n    """Values."""\n\n    a = 1\n\n\nx = 1\n'
        )

        assert unit.text.endswith('    a = 1\n\n\n')
        assert rest.text == 'x = 1\n'


class TestSelectLines:
    def test_repeats_lines_in_the_order_of_the_fields(self):
        text = 'class Row:\n    id: UUID\n    title: str\n    price: Decimal\n    version: int\n'
        fields = [Field('amount', 'decimal'), Field('name', 'str'), Field('city', 'str')]

        assert selected(text, *fields) == (
            'class Row:\n    id: UUID\n    amount: Decimal\n    name: str\n    city: str\n'
            '    version: int\n'
        )

    def test_adds_lines_of_uniqueness_for_unique_fields(self):
        text = 'errors=[\n    ShelfMarkTaken,\n]\nshelf_mark: str\ntitle: str\n'

        assert selected(text, Field('number', 'int', is_unique=True)) == (
            'errors=[\n    NumberTaken,\n]\n'
        )

    def test_omits_optional_fields_where_the_example_has_none(self):
        sorts = "sorts = (\n    'title',\n    'created_at',\n)\n"
        filters = "filters = (\n    'title',\n    'subtitle',\n)\n"
        field = Field('name', 'str', is_optional=True)

        assert "'name'" not in selected(sorts, field)
        assert "'name'" in selected(filters, field)

    def test_deletes_blocks_that_become_empty(self):
        text = (
            'class TestA:\n    def test_title(self):\n        pass\n\n\n'
            'with translate_unique_violations(\n    shelf_mark=ShelfMarkTaken,\n):\n    add()\n'
        )

        assert selected(text, Field('due', 'date')) == 'add()\n'


class TestTemplate:
    @pytest.mark.parametrize('kind', EXAMPLES)
    def test_stays_valid_with_the_lines_of_any_type(self, kind):
        for path in MODULES:
            code = selected(path.read_text(encoding='utf-8'), Field('amount', kind, ('a', 'b')))

            ast.parse(code, str(path))
            assert not any(example_of(line) for line in code.splitlines()), path

    def test_shows_uniqueness_and_options_with_fields_of_text(self):
        """For `str:unique`, lines are only added to those for `str`, and none is changed."""
        for path in MODULES:
            units = list(units_of(path.read_text(encoding='utf-8')))
            texts = [
                [
                    unit.text.replace(name, 'title').replace(Words(name).prose, 'title')
                    for unit in units
                    if unit.example == name
                ]
                for name in ('title', 'shelf_mark')
            ]

            assert set(texts[0]) <= set(texts[1]), path
