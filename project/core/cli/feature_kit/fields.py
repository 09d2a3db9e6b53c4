"""Fields of a generated model: `number:str:unique customer:ref(users) state:enum(open,paid)`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import click

from .words import SNAKE, Words

MAX_FIELD_CHARACTERS = 24

# For each type of field, the field of the template (`tests/feature_template`) that has this type.
# The code of a new field is made from the lines of this example.
EXAMPLES = {
    'str': 'title',
    'text': 'summary',
    'int': 'page_count',
    'decimal': 'price',
    'bool': 'signed',
    'date': 'printed_on',
    'datetime': 'found_at',
    'uuid': 'lot',
    'json': 'details',
    'enum': 'condition',
    'ref': 'dealer',
}
WITHOUT_UNIQUE = ('text', 'bool', 'json', 'enum')
OPTIONS = ('unique', 'optional')

FIELD = re.compile(
    r'(?P<name>[^:]*):(?P<kind>[^:()]*)(?:\((?P<arguments>[^()]*)\))?(?P<options>(?::[^:]*)*)'
)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a model.

    :param kind: a key of `EXAMPLES`.
    :param arguments: the values of an `enum`, or the target of a `ref`.
    """

    name: str
    kind: str
    arguments: tuple[str, ...] = ()
    is_unique: bool = False
    is_optional: bool = False

    @property
    def words(self) -> Words:
        """Return the name of the field, with its forms such as `DueDate`."""
        return Words(self.name)

    @property
    def column(self) -> str:
        """Return the name of the column and the JSON key: `user_id` for `user:ref(users)`."""
        return f'{self.name}_id' if self.kind == 'ref' else self.name


def parse_fields(text: str) -> list[Field]:
    """Return the fields that the value of the option `--fields` describes.

    :raises UsageError: if the value is wrong; the message names the field and the remedy.
    """
    fields = [_parse_field(word) for word in text.split()]
    if not fields:
        raise click.UsageError('--fields is empty: give at least one, such as name:str.')
    columns = [field.column for field in fields]
    for name in columns:
        if columns.count(name) > 1:
            raise click.UsageError(f'The field {name!r} is given twice.')
    return fields


def _parse_field(word: str) -> Field:
    match = FIELD.fullmatch(word)
    if match is None:
        raise click.UsageError(f'{word!r} is not a field: write NAME:TYPE, such as due:date.')
    name, kind, arguments, rest = match.group('name', 'kind', 'arguments', 'options')
    options = rest.split(':')[1:]
    values = tuple(value.strip() for value in (arguments or '').split(',') if value.strip())
    field = Field(name, kind, values, 'unique' in options, 'optional' in options)
    for fault in (
        _fault_of_name(name),
        _fault_of_type(field, arguments),
        _fault_of_options(field, options),
    ):
        if fault:
            raise click.UsageError(f'Field {word!r}: {fault}.')
    return field


def _fault_of_name(name: str) -> str | None:
    if not SNAKE.fullmatch(name):
        return 'the name must be in snake_case'
    if len(name) > MAX_FIELD_CHARACTERS:
        return f'the name is longer than {MAX_FIELD_CHARACTERS} characters'
    return None


def _fault_of_type(field: Field, arguments: str | None) -> str | None:
    if field.kind not in EXAMPLES:
        return f'the type {field.kind!r} is unknown; choose {", ".join(EXAMPLES)}'
    if field.kind == 'enum':
        return _fault_of_values(field.arguments)
    if field.kind == 'ref':
        return None if len(field.arguments) == 1 else 'name one target: ref(users)'
    return None if arguments is None else f'{field.kind} takes no arguments'


def _fault_of_values(values: Sequence[str]) -> str | None:
    if len(values) < 2 or len(set(values)) < len(values):
        return 'give two or more different values: enum(open,paid)'
    wrong = [value for value in values if not SNAKE.fullmatch(value)]
    if wrong:
        return f'the value {wrong[0]!r} must be in snake_case'
    return None


def _fault_of_options(field: Field, options: Sequence[str]) -> str | None:
    wrong = [option for option in options if option not in OPTIONS]
    if wrong:
        return f'the option {wrong[0]!r} is unknown; choose {" or ".join(OPTIONS)}'
    if field.is_unique and field.kind in WITHOUT_UNIQUE:
        return f'{field.kind} cannot be unique'
    return None
