"""Import and export of users as CSV: `flask users import` and `flask users export`."""

import csv
import sys
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any, TextIO, cast

import click
from marshmallow import Schema, ValidationError

from project.core.cli.toolkit import dry_run, with_progress
from project.core.web.requests.fields import EmailAddress, Text
from project.users import service
from project.users.permissions import MEMBER
from project.users.schemas import Username

from . import users_cli
from .csv_files import csv_line, read_rows

COLUMNS = ('username', 'email', 'name', 'bio', 'roles')
REQUIRED = ('username', 'email')
BATCH_ROWS = 1000


class UserImportRow(Schema):
    """A row of an imported CSV file."""

    username = Username(required=True)
    email = EmailAddress(required=True)
    name = Text(max=80, load_default='')
    bio = Text(max=1000, lines=True, load_default='')
    roles = Text(max=500, load_default=MEMBER)


@users_cli.command('import')
@click.argument('file', type=click.File('rb'))
@click.option('--no-invite', is_flag=True, help='Send no invitations.')
@click.option(
    '--report',
    type=click.File('w', encoding='utf-8'),
    help='Write rejected rows to this file instead of standard error.',
)
@dry_run
def users_import(file: IO[bytes], no_invite: bool, report: TextIO | None, dry_run: bool) -> None:
    """Create the users of a CSV file and invite them to choose a password.

    The first line names the columns: username, email, and optionally name, bio and roles (separated
    by spaces; the default is member). Commas, semicolons or tabs separate the cells. The file is
    UTF-8, or UTF-16 with a byte order mark.

    Each transaction creates up to a thousand users. A rejected row is reported with its number; the
    first line is row 1. A second run rejects the users that exist. With --dry-run, a username that
    occurs twice is found only if both rows are in the same transaction.
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
@click.argument('file', type=click.File('wb', lazy=True), default='-')
def users_export(file: IO[bytes]) -> None:
    """Write all users to a file or standard output, as CSV that `import` can read.

    Cells that a spreadsheet program would execute as a formula get an apostrophe in front, which
    `import` removes.
    """
    file.write(csv_line(COLUMNS).encode())
    for user in with_progress('Users', service.export_users()):
        cells = (*(getattr(user, name) for name in COLUMNS[:-1]), ' '.join(user.roles))
        file.write(csv_line(cells).encode())


def _rows(file: IO[bytes]) -> Iterator[tuple[int, Any]]:
    """Yield the number of each row of a CSV file, and the loaded row or its validation error."""
    schema = UserImportRow()
    for number, cells in read_rows(file, COLUMNS, REQUIRED):
        yield number, _loaded(schema, cells)


def _loaded(schema: Schema, cells: dict[str, str] | None) -> Any:
    if cells is None:
        return {'row': ['Has more or fewer cells than the first line']}
    typed = {name: cell for name, cell in cells.items() if cell or name in REQUIRED}
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
