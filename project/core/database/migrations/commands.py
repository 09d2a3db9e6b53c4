"""Commands of `flask db` that know the branches of the features."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import flask_migrate
from alembic.util import rev_id as random_revision
from flask import Flask
from flask.cli import with_appcontext
from flask_migrate.cli import db as db_commands

from project.core.database.session import db

from .checks import find_faults
from .folders import heads_by_feature, migrate, reject_known_revision, script_directory
from .schema_differences import find_differences

# With this code, the process ends if the arguments of a command are wrong, as with Click.
USAGE_ERROR = 2


def init_app(app: Flask) -> None:
    """Register `flask db` with an application."""
    # Batch mode writes migrations that run on both databases: SQLite can only copy a table, and
    # PostgreSQL alters it.
    migrate.init_app(app, render_as_batch=True)
    for name in ('upgrade', 'stamp'):
        [argument] = [p for p in db_commands.commands[name].params if p.name == 'revision']
        # The default of Flask-Migrate is `head`, which means a single head; here each feature has
        # its own.
        argument.default = 'heads'
    [argument] = [p for p in db_commands.commands['downgrade'].params if p.name == 'revision']
    argument.callback = reject_relative_revision
    for name in ('revision', 'migrate', 'merge'):
        [option] = [p for p in db_commands.commands[name].params if p.name == 'rev_id']
        option.callback = reject_known_revision


def reject_relative_revision(_context: Any, _option: Any, value: str) -> str:
    """Check the revision of `flask db downgrade`, whose default is `-1`. Return the revision.

    :raises BadParameter: if it is relative and names no feature: Alembic would choose any feature.
    """
    if value.startswith('-'):
        raise click.BadParameter(
            f'Name the feature whose migration to undo: flask db downgrade FEATURE@{value}'
        )
    return value


def function_with_errors(name: str) -> Callable[..., None]:
    """Return a function of Flask-Migrate without its handler, which writes errors into the log."""
    function: Callable[..., None] = getattr(flask_migrate, name).__wrapped__
    return function


@click.command()
@click.option('-d', '--directory', hidden=True, help='Migration script directory.')
@with_appcontext
def check(directory: str | None) -> None:
    """Check that all migrations are safe, and that the database agrees with the models.

    Each feature must have one head. A migration must change only tables of its feature. During
    traffic, it must not lock a table for long or break the code of the previous release.
    """
    faults = [str(fault) for fault in find_faults(script_directory())]
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        raise click.ClickException(f'faults of migrations: {len(faults)}; see docs/features.md')
    function_with_errors('check')(directory)
    with db.engine.connect() as connection:
        differences = [*find_differences(connection, db.metadata)]
    for difference in differences:
        click.echo(difference, err=True)
    if differences:
        raise click.ClickException(
            f'differences between the models and the database: {len(differences)}; the migrations '
            'must create the same tables as the models'
        )


@click.command()
@click.argument('feature', required=False)
@click.option('-m', '--message', help='The message of the migration.')
@click.option('--rev-id', help='The revision id instead of a random one.')
@with_appcontext
def merge(feature: str | None, message: str | None, rev_id: str | None) -> None:
    """Join the heads of one feature, which two branches of Git have created.

    The new migration is in the folder of the feature, and changes no table.
    """
    script = script_directory()
    heads = heads_by_feature(script)
    if feature is None:
        explain(sorted(name for name, found in heads.items() if len(found) > 1))
        return
    if feature not in heads:
        raise click.BadParameter(
            f'{feature!r} has no migrations; choose one of {", ".join(sorted(heads))}. Heads of '
            'different features must not be joined.'
        )
    found = sorted(head.revision for head in heads[feature])
    if len(found) == 1:
        click.echo(f'{feature} has one head, {found[0]}: there is nothing to merge.')
        return
    merged = script.generate_revision(
        rev_id or random_revision(), message or f'Merge {feature}', head=found, imports=''
    )
    path = merged.path if merged else ''
    click.echo(f'Joined {" and ".join(found)} in {Path(path).name}. Next: flask db upgrade')


def explain(features: list[str]) -> None:
    """Print which features have several heads; end with an error if there are any."""
    if not features:
        click.echo('Each feature has one head: there is nothing to merge.')
        return
    commands = '; '.join(f'flask db merge {name}' for name in features)
    click.echo(f'Heads are joined per feature, never across features. Run: {commands}', err=True)
    click.get_current_context().exit(USAGE_ERROR)


for command in (check, merge):
    db_commands.add_command(command)
