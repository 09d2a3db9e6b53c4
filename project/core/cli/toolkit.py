"""Toolkit for commands: option types, one-line errors, tables, JSON and progress bars."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from flask.cli import AppGroup, ScriptInfo, with_appcontext
from marshmallow import ValidationError
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from project.core.development import DevelopmentError
from project.core.email_addresses import normalize_email_address
from project.core.errors import ApiError, ServiceUnavailable
from project.core.ip_addresses import normalize_ip
from project.core.request_context import RequestContext, set_request_context
from project.core.value_codec import display, encode
from project.core.web.responses.jsend import to_json

from .output import escape_bytes, print_any_character

T = TypeVar('T')

MAX_SIZE_BYTES = 2**60  # The sum of several such sizes still fits into a BIGINT column.

MAX_ROWS = 1_000_000  # Avoids an integer overflow in the database.

as_json = click.option('--json', 'as_json', is_flag=True, help='Print JSON.')
dry_run = click.option(
    '--dry-run', is_flag=True, help='Show the planned changes without making them.'
)
limit_option = click.option(
    '--limit', default=50, type=click.IntRange(1, MAX_ROWS), help='Maximum number of rows.'
)


class EmailAddress(click.ParamType[str]):
    """An option or argument whose value is an email address."""

    name = 'address'

    def convert(self, value: str, param: Any, ctx: Any) -> str:
        """Return the email address in its canonical form; fail if the value is not valid."""
        address = normalize_email_address(value)
        return (
            self.fail(f'{value!r} is not an email address', param, ctx)
            if address is None
            else address
        )


class IpAddress(click.ParamType[str]):
    """An option or argument whose value is an IP address."""

    name = 'address'

    def convert(self, value: str, param: Any, ctx: Any) -> str:
        """Return the IP address in its normal form; fail if the value is not valid."""
        return normalize_ip(value) or self.fail(f'{value!r} is not an IP address', param, ctx)


class Size(click.ParamType[int]):
    """An option or argument that is a number of bytes, such as `5GB`, `512KiB` or `1000`.

    At most `MAX_SIZE_BYTES`, which is also the limit of settings that are sizes.
    """

    name = 'size'

    def convert(self, value: str, param: Any, ctx: Any) -> int:
        """Return the number of bytes; fail if the value is not a size."""
        found = re.fullmatch(r'0*(\d{1,19})(?:([KMGT])(I?))?B?', value.upper(), re.ASCII)
        if found is None:
            self.fail(f'{value!r} is not a size such as 5GB', param, ctx)
        number, unit, binary = found.groups()
        power = 'KMGT'.index(unit) + 1 if unit else 0
        size = int(number) * int((1024 if binary else 1000) ** power)
        if size > MAX_SIZE_BYTES:
            self.fail(f'{value!r} is more than {MAX_SIZE_BYTES} bytes', param, ctx)
        return size


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Report the expected errors of a command in one line on stderr, without a traceback.

    :raises ClickException: if the block raised such an error.
    """
    try:
        yield
    except ApiError as error:
        raise click.ClickException(f'{error.field}: {error}') from error
    except (ServiceUnavailable, DevelopmentError) as error:
        raise click.ClickException(str(error)) from error
    except (OperationalError, ProgrammingError) as error:
        reason = str(error.orig).splitlines()[0]
        hint = _unknown_migrations() or 'is the database up, and upgraded?'
        raise click.ClickException(f'{reason} ({hint})') from error
    except IntegrityError as error:
        # A column of an unknown migration may require a value.
        if (migrations := _unknown_migrations()) is None:
            raise
        reason = str(error.orig).splitlines()[0]
        raise click.ClickException(f'{reason} ({migrations})') from error
    except UnicodeEncodeError as error:
        # The bytes of an argument that are not UTF-8 are lone surrogates (PEP 383).
        if not any(map(_is_surrogate, error.object)):
            raise
        raise click.ClickException(f'not UTF-8: {printable(error.object)}') from error
    except BrokenPipeError:
        raise  # stdout was closed, for example by `| head`: Click exits silently.
    except OSError as error:
        raise click.ClickException(_reason(error)) from error
    except ValidationError as error:
        faults = error.normalized_messages().items()  # type: ignore[no-untyped-call]
        raise click.ClickException('; '.join(f'{n}: {" ".join(m)}' for n, m in faults)) from error


class ErrorReportingMixin:
    """Mixin that reports errors of a command in one line on stderr, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and report its errors."""
        print_any_character()
        set_request_context(RequestContext(request_id='cli', user_agent='flask'))
        with one_line_errors():
            return super().invoke(ctx)  # type: ignore[misc]


class FeatureGroup(ErrorReportingMixin, AppGroup):
    """The command group of a feature."""


class Command(ErrorReportingMixin, click.Command):
    """A command without a group."""


def app_command(name: str) -> Callable[[Callable[..., object]], click.Command]:
    """Return a decorator that makes a top-level command with an app context."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        return click.command(name, cls=Command)(with_appcontext(function))

    return decorate


def print_rows(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, one: bool = False
) -> None:
    """Print rows as a table, or as a JSON array.

    If the number of rows is the value of the option `--limit`, a line on stderr says so.

    :param one: with JSON, print the first row as an object instead of an array.
    """
    print_any_character()
    found = [{name: row[name] for name in columns} for row in rows]
    if as_json:
        click.echo(to_json(encode(found[0] if one else found)).decode())
    else:
        _print_table(found, columns)
    _report_limit(len(found))


def _print_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    # Imported here: the server also imports this module, but prints no tables.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    # If the output is not a terminal but, for example, a pipe, lines must not be cut to a default
    # width.
    width = None if sys.stdout.isatty() else 10_000
    Console(file=sys.stdout, width=width, markup=False, highlight=False).print(table)


def with_progress(label: str, things: Iterable[T]) -> Iterator[T]:
    """Yield all `things`, and show the number of yielded ones on stderr if it is a terminal."""
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn('{task.description} {task.completed:,}'),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task(label, total=None)
        for thing in things:
            yield thing
            progress.advance(task)


def _report_limit(count: int) -> None:
    context = click.get_current_context(silent=True)
    limit = context.params.get('limit') if context else None
    if limit is not None and count >= limit:
        click.echo(f'Stopped after {limit} rows; --limit shows more.', err=True)


def _is_surrogate(char: str) -> bool:
    return '\ud800' <= char <= '\udfff'


def _unknown_migrations() -> str | None:
    """Return one line about migrations that this code lacks, or None."""
    # Imported here: only a failed command needs it.
    from project.core.development.unknown_revisions import explain_unknown_revisions

    # The command has left its application context.
    app = click.get_current_context().ensure_object(ScriptInfo).load_app()
    with app.app_context():
        return explain_unknown_revisions()


def _reason(error: OSError) -> str:
    """Return the file and the reason of an error in one line."""
    reason = error.strerror or str(error) or type(error).__name__
    return f'{error.filename}: {reason}' if error.filename else reason


def printable(text: str) -> str:
    """Return a text without control sequences for terminals, which values of users may contain."""
    shown = escape_bytes(text)
    return ''.join(char if char.isprintable() else '\N{REPLACEMENT CHARACTER}' for char in shown)


def _cell(value: Any) -> str:
    return printable(display(value))
