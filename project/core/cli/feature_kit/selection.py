"""Selection of the lines of the template that a new model needs.

The model of the template has an example field of each type, such as `price` of type `decimal`. A
line that contains the name of an example field belongs to this field. If the line opens a bracket
or an indented block, the whole bracket or block belongs to the field. The lines of an example field
are written once for each requested field of its type, with the name of the requested field. Lines
of example fields whose type was not requested are left out.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from .fields import EXAMPLES, Field
from .words import Words, replace_words

# Example fields that show the effect of the options `unique` and `optional`.
UNIQUE, OPTIONAL = 'shelf_mark', 'subtitle'
PATTERNS = {
    name: re.compile(
        rf'(?<![A-Za-z]){name}(?![a-z])|(?:{Words(name).pascal}|{name.upper()})(?![a-z])'
    )
    for name in (*EXAMPLES.values(), UNIQUE, OPTIONAL)
}
OF_UNIQUENESS = re.compile('Taken|taken|UniqueConstraint')

Adapt = Callable[[Field, str], str]


class Unit(NamedTuple):
    """Lines of the template that are kept or left out together.

    A unit is one line, or all lines of a bracket or block that belongs to an example field.

    :param example: the example field to which the unit belongs; None if it belongs to none.
    """

    text: str
    example: str | None


def select_lines(text: str, fields: Sequence[Field], adapt: Adapt) -> str:
    """Return the text of a module with lines for the given fields instead of the example fields.

    :param text: the text of the module in the template.
    :param adapt: a function that changes the lines of a field according to its type and options.
    """
    parts: list[str] = []
    for is_of_field, units in groupby(units_of(text), key=lambda unit: unit.example is not None):
        run = list(units)
        parts += _repeated(run, fields, adapt) if is_of_field else [unit.text for unit in run]
    return without_empty_blocks(''.join(parts))


def _repeated(units: Sequence[Unit], fields: Sequence[Field], adapt: Adapt) -> Iterator[str]:
    """Yield the lines of each field, in the order of the fields.

    If the optional example field has no lines among these units, optional fields get none either.
    For example, a list cannot be sorted by an optional field, because the column can be NULL.

    :param units: consecutive units, all of which belong to example fields.
    """
    known = {unit.example for unit in units}
    excludes_optional = EXAMPLES['str'] in known and OPTIONAL not in known
    is_of_filters = any('QueryInteger' in unit.text for unit in units)
    for field in fields:
        if field.is_optional and excludes_optional:
            continue
        if is_of_filters:
            # Filters of a list are the same for required and optional fields.
            field = replace(field, is_optional=False)
        for text, example in units:
            is_unique = example == UNIQUE and bool(OF_UNIQUENESS.search(text))
            if example == EXAMPLES[field.kind] or (is_unique and field.is_unique):
                names = {Words(example or ''): field.words}
                yield replace_words(adapt(field, text), names)


def units_of(text: str) -> Iterator[Unit]:
    """Split the text of a module into units."""
    lines = text.splitlines(keepends=True)
    while lines:
        example = example_of(lines[0])
        size = _size_of_unit(lines) if example else 1
        yield Unit(''.join(lines[:size]), example)
        del lines[:size]


def example_of(line: str) -> str | None:
    """Return the example field whose name a line contains, or None.

    :raises ValueError: if the line contains the names of several fields.
    """
    found = [name for name, pattern in PATTERNS.items() if pattern.search(line)]
    if len(found) > 1:
        raise ValueError(f'a line of the template belongs to {" and ".join(found)}: {line!r}')
    return found[0] if found else None


def _size_of_unit(lines: Sequence[str]) -> int:
    """Return the number of lines of the unit that begins with the first line."""
    depth, size = 0, 0
    for line in lines:
        depth += sum(map(line.count, '([{')) - sum(map(line.count, ')]}'))
        size += 1
        if depth <= 0:
            break
    if re.match(r'\s*(def|class) ', lines[0]):
        while size < len(lines) and _is_inside(lines[size], _indentation(lines[0])):
            size += 1
    return size


def without_empty_blocks(text: str) -> str:
    """Return a module without the headers of functions, classes and lists that became empty."""
    text = re.sub(r' *errors=\[\s*\],\n', '', text)
    text = re.sub(r'( *)with translate_unique_violations\(\s*\):\n((?:\1 +.*\n)+)', _body, text)
    lines = text.splitlines(keepends=True)
    kept: list[str] = []
    for at, line in enumerate(lines):
        rest = (other for other in lines[at + 1 :] if other.strip())
        is_header = re.match(r'\s*(def|class) .*:$', line.rstrip())
        if not is_header or _is_inside(next(rest, ''), _indentation(line)):
            kept.append(line)
    return ''.join(kept)


def _body(block: re.Match[str]) -> str:
    """Return the body of a `with` statement, without its indentation."""
    return re.sub(r'^    ', '', block[2], flags=re.MULTILINE)


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_inside(line: str, indentation: int) -> bool:
    """Return whether a line belongs to a block whose header has that indentation."""
    is_blank = line.endswith('\n') and not line.strip()
    return is_blank or _indentation(line) > indentation
