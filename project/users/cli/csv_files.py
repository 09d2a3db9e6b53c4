"""CSV files, as spreadsheet programs and `flask users export` write them.

The separator is a comma, a semicolon or a tab; Excel chooses it by the language of the system. The
encoding is UTF-8, or UTF-16 with a byte order mark (Excel's "Unicode Text").
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import IO

import click

SEPARATORS = ',;\t'
# Excel's first line that names the separator.
SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?[\r\n]*', re.IGNORECASE)
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
PEEKED_BYTES = 4096

# If a cell begins with one of these characters, spreadsheet programs execute it as a formula. With
# an apostrophe in front, they show it as text.
FORMULA_PREFIXES = '=+-@\t\r'
NEEDS_APOSTROPHE = re.compile(f"'*[{re.escape(FORMULA_PREFIXES)}]")
NEEDS_QUOTES = re.compile(r'[,;"\r\n\t]|^ | $')


def csv_line(cells: Iterable[str]) -> str:
    """Return a line of a CSV file, from which `read_rows` reads the same cells.

    The module `csv` of Python before 3.13 does not quote a cell with a carriage return.
    """
    shown = (f"'{cell}" if NEEDS_APOSTROPHE.match(cell) else cell for cell in cells)
    quoted = ('"{}"'.format(c.replace('"', '""')) if NEEDS_QUOTES.search(c) else c for c in shown)
    return ','.join(quoted) + '\n'


def read_rows(
    file: IO[bytes], columns: Sequence[str], required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str] | None]]:
    """Yield the number of each row, and its cells by column; None if their number is wrong.

    The first line names the columns. It is row 1; blank rows are counted, but not yielded.

    :param columns: the columns that the file may have.
    :param required: the columns that it must have.
    :raises ClickException: if the file cannot be read, or its first line is wrong.
    """
    buffered = io.BufferedReader(file)  # type: ignore[type-var]
    try:
        encoding = _encoding_of(buffered.peek(PEEKED_BYTES))
        text = io.TextIOWrapper(buffered, encoding, newline='')
        try:
            yield from _rows(_CountedLines(text), columns, required)
        finally:
            text.detach()
    finally:
        # Otherwise `file` would be closed with this object.
        buffered.detach()


def _rows(
    lines: '_CountedLines', columns: Sequence[str], required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str] | None]]:
    try:
        first = next(lines, '')
        if separator_line := SEPARATOR_LINE.fullmatch(first):
            first = next(lines, '')
        separator = separator_line[1] if separator_line else _separator_of(first, columns)
        # After `username, email`, there is also a blank before each cell.
        has_blanks = f'{separator} ' in first
        rows = csv.reader(
            chain([first], lines), delimiter=separator, strict=True, skipinitialspace=has_blanks
        )
        names = [name.strip().lower() for name in next(rows, [])]
        _check_header(names, columns, required)
        for number, cells in enumerate(rows, 3 if separator_line else 2):
            if cells:
                fits = len(cells) == len(names)
                yield number, dict(zip(names, map(_plain, cells), strict=True)) if fits else None
    except UnicodeDecodeError as error:
        # The number is approximate, because the file is decoded in blocks.
        raise click.ClickException(
            f'cannot be read near line {lines.number + 1}: not {error.encoding.upper()}. In Excel,'
            ' save the file as "CSV UTF-8"'
        ) from error
    except csv.Error as error:
        raise click.ClickException(f'cannot be read near line {lines.number}: {error}') from error


class _CountedLines(Iterator[str]):
    """The lines of a file, and the number of the lines that were read."""

    def __init__(self, file: IO[str]) -> None:
        self.file, self.number = file, 0

    def __next__(self) -> str:
        line = next(self.file)
        self.number += 1
        return line


def _encoding_of(head: bytes) -> str:
    """Return the encoding of a file that begins with these bytes.

    :raises ClickException: if it is UTF-32, or UTF-16 without a byte order mark.
    """
    # Before UTF-16: the mark of UTF-32 in little-endian order begins with that of UTF-16.
    if head.startswith(UTF32_MARKS) or head[:4].count(0) == 3:
        raise click.ClickException('cannot be read: UTF-32. Save the file as UTF-8')
    if head.startswith(UTF16_MARKS):
        return 'utf-16'
    if b'\0' in head[:2]:
        raise click.ClickException(
            'cannot be read: UTF-16 without a byte order mark. Save the file as UTF-8'
        )
    return 'utf-8-sig'


def _separator_of(first: str, columns: Sequence[str]) -> str:
    """Return the separator with which the first line names the most columns."""
    return max(SEPARATORS, key=lambda separator: _known_names(first, separator, columns))


def _known_names(line: str, separator: str, columns: Sequence[str]) -> int:
    names = {name.strip(' \r\n"').lower() for name in line.split(separator)}
    return len(names.intersection(columns))


def _check_header(names: list[str], columns: Sequence[str], required: Sequence[str]) -> None:
    if 'password' in names:
        raise click.ClickException('passwords are not imported: users are invited to choose one')
    if not set(required) <= set(names) <= set(columns) or len(set(names)) < len(names):
        optional = ', '.join(name for name in columns if name not in required)
        shown = ', '.join(repr(name) for name in names) or 'no column'
        raise click.ClickException(
            f'the first line must name the columns {", ".join(required)} and at most {optional}'
            f' once, separated by commas, semicolons or tabs; it names {shown}'
        )


def _plain(cell: str) -> str:
    """Return a cell without the apostrophe that `csv_line` adds."""
    return cell[1:] if cell.startswith("'") and NEEDS_APOSTROPHE.match(cell) else cell
