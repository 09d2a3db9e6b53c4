"""`flask db prune`, `reset` and `seed`, for the database of a developer."""

from collections.abc import Iterable

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from flask_migrate import upgrade
from flask_migrate.cli import db as db_commands

from project.core.development import database_reset, object_deletion, seeding, unknown_revisions
from project.core.stored_objects.kinds import object_kinds

from .migration_errors import init_errors
from .toolkit import Command, dry_run

MAX_SEED = 2**31 - 1

size_option = click.option(
    '--size',
    type=click.Choice(['small', 'large']),
    default='small',
    show_default=True,
    help='The number of rows: about 200, or some thousands (half a minute).',
)


def init_app(app: Flask) -> None:
    """Add the commands to `flask db`."""
    for command in (db_prune, db_reset, db_seed):
        db_commands.add_command(command)
    init_errors()


def _ensure_development(command: str, *, allows_testing: bool = False) -> None:
    config = current_app.config
    if not (config['DEVELOPMENT'] or (allows_testing and config['TESTING'])):
        raise click.ClickException(f'flask db {command} works in development only (APP_ENV)')


@click.command('prune', cls=Command)
@dry_run
@click.option('--yes', is_flag=True, help='Do not ask for confirmation.')
@with_appcontext
def db_prune(dry_run: bool, yes: bool) -> None:
    """Undo the migrations that this git branch does not have, which deletes their columns.

    The files of the migrations are read from the git branch that has them: a local one, or one of
    the remote `origin`. Undoing runs the code of these files. Only in development.
    """
    _ensure_development('prune')
    found = unknown_revisions.find_unknown_migrations()
    if not found:
        click.echo('The database has only migrations of this branch.')
        return
    click.echo('Would undo:' if dry_run else 'To undo:')
    for migration in found:
        click.echo(f'{migration.revision}  {migration.path} (git branch {migration.branch})')
    if dry_run:
        return
    if not yes:
        click.confirm(
            'Run the code of these files, and delete their tables and columns?', abort=True
        )
    unknown_revisions.undo_migrations(found)
    click.echo(f'Undone: {", ".join(each.revision for each in found)}. Next: flask db upgrade')


@click.command('reset', cls=Command)
@dry_run
@click.option('--yes', is_flag=True, help='Do not ask for confirmation.')
@click.option('--seed', 'seeds', is_flag=True, help='Then run `flask db seed`.')
@size_option
@with_appcontext
def db_reset(dry_run: bool, yes: bool, seeds: bool, size: str) -> None:
    """Delete all tables, stored objects and mails of the development database, and migrate again.

    Tables of unknown migrations are deleted, too. On PostgreSQL, tables whose names do not begin
    with the name of a feature are kept; an SQLite file is deleted with all its tables. In the
    storage, only names that the service creates are deleted. Other databases are not changed. The
    service must not run.
    """
    _ensure_development('reset')
    if (database := database_reset.name_of_database()) is None:
        raise click.ClickException('the database is in memory: it is empty after each start')
    places = [database, current_app.config['STORAGE_URL'], str(object_deletion.mail_folder() or '')]
    prefixes = [*object_kinds()]
    if seeds:
        seeding.import_seeding()
    if dry_run:
        _print_planned_reset(places, prefixes)
        return
    database_reset.ensure_unused()
    object_deletion.ensure_own_storage(prefixes)
    if not yes:
        click.confirm(
            f'Delete the data of this service in {", ".join(filter(None, places))}?', abort=True
        )
    # The objects first: if the command is interrupted, their marker still belongs to the
    # database.
    objects, mails = object_deletion.delete_objects(prefixes), object_deletion.delete_mails()
    database_reset.ensure_unused()
    if kept := database_reset.delete_everything():
        click.echo(f'Kept, because they belong to no feature: {", ".join(kept)}.')
    click.echo(f'Deleted the database, objects: {objects}, mails: {mails}.')
    upgrade(revision='heads')
    click.echo('Migrated an empty database.')
    if seeds:
        _seed(1, size)


def _print_planned_reset(places: Iterable[str], prefixes: list[str]) -> None:
    object_deletion.ensure_own_storage(prefixes)
    objects, mails = object_deletion.count_objects(prefixes), len(object_deletion.mails())
    click.echo(f'In {", ".join(filter(None, places))}:')
    click.echo(f'Would delete the database, objects: {objects}, mails: {mails}.')


@click.command('seed', cls=Command)
@click.option(
    '--number',
    type=click.IntRange(0, MAX_SEED),
    default=1,
    show_default=True,
    help='The same number creates the same names and contents.',
)
@size_option
@with_appcontext
def db_seed(number: int, size: str) -> None:
    """Create users, files and other rows for development, and print the logins.

    Each feature creates its rows in `tests/<feature>/seed.py`. Only in development and testing.
    """
    _ensure_development('seed', allows_testing=True)
    _seed(number, size)


def _seed(number: int, size: str) -> None:
    click.echo(seeding.seed_database(number, is_large=size == 'large'))
