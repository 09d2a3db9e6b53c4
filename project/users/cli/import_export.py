"""Import and export of users as CSV: `flask users import` and `flask users export`."""

import csv
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TextIO, cast

import click
from marshmallow import Schema, ValidationError

from project.core.cli.toolkit import dry_run, with_progress
from project.core.web.requests.fields import EmailAddress, Text
from project.users import service
from project.users.permissions import MEMBER
from project.users.schemas import Username

from . import users_cli

COLUMNS = ('username', 'email', 'name', 'bio', 'roles')
REQUIRED = ('username', 'email')
BATCH_ROWS = 1000

# If a cell of a CSV file begins with one of these characters, spreadsheet programs execute it as a
# formula.
FORMULA_PREFIXES = ('=', '+', '-', '@', '\t', '\r')


class UserImportRow(Schema):
    """A row of an imported CSV file."""

    username = Username(required=True)
    email = EmailAddress(required=True)
    name = Text(max=80, load_default='')
    bio = Text(max=1000, lines=True, load_default='')
    roles = Text(max=500, load_default=MEMBER)


@users_cli.command('import')
@click.argument('file', type=click.File('r', encoding='utf-8-sig', errors='strict'))
@click.option('--no-invite', is_flag=True, help='Send no invitations.')
@click.option(
    '--report',
    type=click.File('w', encoding='utf-8'),
    help='Write rejected rows to this file instead of standard error.',
)
@dry_run
def users_import(file: TextIO, no_invite: bool, report: TextIO | None, dry_run: bool) -> None:
    """Create the users of a CSV file and invite them to choose a password.

    The first line names the columns: username, email, and optionally name, bio and roles (separated
    by spaces). Each transaction creates up to a thousand users. A rejected row is reported with its
    number; the first line is row 1. A second run rejects the users that exist. With --dry-run, a
    username that occurs twice is found only if both rows are in the same transaction.
    """
    complaints = csv.writer(report or sys.stderr, lineterminator='\n')
    created = rejected = 0
    rows = with_progress('Users', _rows(file))
    while batch := list(islice(rows, BATCH_ROWS)):
        faults = [(number, *fault) for number, row in batch for fault in _faults(row)]
        wrong = {number for number, *_ in faults}
        fit = [(number, row) for number, row in batch if number not in wrong]
        found = service.import_users([row for _, row in fit], invite=not no_invite, dry_run=dry_run)
        faults += [(fit[each.row][0], each.column, each.reason) for each in found]
        complaints.writerows(sorted(faults))
        missed = len({number for number, *_ in faults})
        created, rejected = created + len(batch) - missed, rejected + missed
    click.echo(f'{"Would create" if dry_run else "Created"} {created}, rejected {rejected}.')
    if rejected:
        raise SystemExit(1)


@users_cli.command('export')
@click.argument('file', type=click.File('w', encoding='utf-8', lazy=True), default='-')
def users_export(file: TextIO) -> None:
    """Write all users to a file or standard output, as CSV that `import` can read.

    Cells that a spreadsheet program would execute as a formula get an apostrophe in front, which
    `import` removes.
    """
    lines = csv.writer(file, lineterminator='\n')
    lines.writerow(COLUMNS)
    for user in with_progress('Users', service.export_users()):
        shown = (*(getattr(user, name) for name in COLUMNS[:-1]), ' '.join(user.roles))
        lines.writerow(
            [f"'{cell}" if cell.startswith(FORMULA_PREFIXES) else cell for cell in shown]
        )


def _rows(file: Iterable[str]) -> Iterator[tuple[int, Any]]:
    """Yield the number of each row of a CSV file, and the loaded row or its validation error."""
    lines = csv.DictReader(file, strict=True)
    try:
        _check_header(lines.fieldnames or ())
        schema = UserImportRow()
        for number, cells in enumerate(lines, 2):
            yield number, _loaded(schema, dict(cells))
    except (csv.Error, UnicodeDecodeError) as error:
        # The line number is approximate, because the file is decoded in blocks.
        where = f'cannot be read near line {lines.line_num + 1}'
        raise click.ClickException(f'{where}: {error}') from error


def _check_header(names: Iterable[str]) -> None:
    known = list(names)
    if 'password' in known:
        raise click.ClickException('passwords are not imported: users are invited to choose one')
    if not set(REQUIRED) <= set(known) <= set(COLUMNS) or len(set(known)) < len(known):
        raise click.ClickException(
            f'the first line must name the columns {", ".join(REQUIRED)}'
            f' and at most {", ".join(COLUMNS[2:])}'
        )


def _loaded(schema: Schema, cells: dict[str, Any]) -> Any:
    # `csv.DictReader` stores surplus cells under the key None. The value of a missing cell is None.
    if not all(isinstance(part, str) for pair in cells.items() for part in pair):
        return {'row': ['Has more or fewer cells than the first line']}
    typed = {name: _plain(cell) for name, cell in cells.items() if cell or name in REQUIRED}
    try:
        row = cast(dict[str, str], schema.load(typed))
    except ValidationError as error:
        return error
    return {**row, 'username': row['username'].lower(), 'roles': row['roles'].split()}


def _faults(row: Any) -> Iterator[tuple[str, str]]:
    if isinstance(row, ValidationError):
        messages: dict[str, list[str]] = row.normalized_messages()  # type: ignore[no-untyped-call]
        yield from ((name, ' '.join(reasons)) for name, reasons in messages.items())
    elif 'row' in row:
        yield 'row', row['row'][0]


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_PREFIXES) else cell
