"""The errors of `flask db`: each is one line, and the process ends with a code that fits.

Flask-Migrate writes errors into the log. Here its handler is replaced by that of this module.
"""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from traceback import walk_tb
from typing import Any

import click
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from flask import current_app
from flask_migrate.cli import db as db_commands

from project.core.database.migrations.commands import function_with_errors
from project.core.database.migrations.folders import migrate, revisions_below_merge
from project.core.development import unknown_revisions

from .output import WatchedOutput
from .toolkit import one_line_errors

# The functions of Flask-Migrate that its commands call, with the prefix `_`.
FUNCTIONS = (
    'list_templates', 'init', 'revision', 'migrate', 'edit', 'upgrade', 'downgrade', 'show',
    'history', 'heads', 'branches', 'current', 'stamp',
)  # fmt: skip


def init_errors() -> None:
    """Report the errors of all commands of `flask db` in one line. Can be called again."""
    module = import_module('flask_migrate.cli')
    for name in FUNCTIONS:
        setattr(module, f'_{name}', function_with_errors(name))
    for command in db_commands.commands.values():
        if command.callback and not hasattr(command.callback, 'has_one_line_errors'):
            command.callback = _with_one_line_errors(command.callback)


@migrate.configure  # type: ignore[untyped-decorator]
def _watch_output(config: Config) -> Config:
    config.stdout = WatchedOutput()  # type: ignore[assignment]
    return config


def _with_one_line_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that reports errors of Alembic and of the database in one line."""

    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        # The group `flask db` has entered the application context.
        revision = options.get('revision')
        with one_line_errors():
            try:
                return function(*arguments, **options)
            except CommandError as error:
                _report(error, revision)
            except AssertionError as error:
                if not _is_of_alembic(error):
                    raise
                raise click.ClickException(
                    f'the database has no migration that {revision!r} could mean; its migrations: '
                    'flask db current; all migrations: flask db history'
                ) from error

    run.has_one_line_errors = True  # type: ignore[attr-defined]
    return run


def _is_of_alembic(error: BaseException) -> bool:
    """Return whether Alembic raised an error: it only asserts that some revisions exist."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    return str(frame.f_globals.get('__name__')).startswith('alembic.')


def _report(error: CommandError, revision: str | None) -> None:
    """Print the reason of an error. Return if the command need not do anything.

    :param revision: the argument of the command.
    :raises ClickException: if the command failed.
    """
    if unknown := _explain_unknown_revisions(error):
        if click.get_current_context().command.name == 'upgrade' and _is_ahead():
            # A rollback starts the code of an earlier release, which can use the newer database.
            click.echo(f'Nothing to upgrade: {unknown}', err=True)
            return
        raise click.ClickException(unknown) from error
    feature = (revision or '').partition('@')[0]
    if str(error) == 'Ambiguous walk' and (names := revisions_below_merge(feature)):
        raise click.ClickException(
            f'a merge has several migrations before it: {revision} does not name one of them. Run: '
            + ' or '.join(f'flask db downgrade {name}' for name in names)
        ) from error
    raise click.ClickException(str(error)) from error


def _explain_unknown_revisions(error: CommandError) -> str | None:
    """Return one line if the reason of an error is a revision of the database, else None."""
    cause = error.__cause__
    if not isinstance(cause, ResolutionError):
        return None
    is_unknown = cause.argument in unknown_revisions.find_unknown_revisions()
    return unknown_revisions.explain_unknown_revisions() if is_unknown else None


def _is_ahead() -> bool:
    """Return whether this code can use a database that a newer version has migrated.

    In development, a git branch has migrated it: the developer must undo these migrations.
    """
    # Imported here: only a failed command needs it.
    from project.core.observability.health.migrations import check_migrations

    return not current_app.config['DEVELOPMENT'] and check_migrations().state == 'ahead'
