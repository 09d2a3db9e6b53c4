"""The commands of `flask feature`."""

from collections.abc import Iterable
from pathlib import Path

import click

from project.core.cli.toolkit import FeatureGroup, as_json, print_rows

from .checking import check_features, fix_features
from .generation import ModelOptions, add_model, create_feature
from .listing import list_features
from .removal import planned_removal, remove_code, remove_feature, undo_feature

feature_cli = FeatureGroup('feature', help='Create, check and remove features of this repository.')

fields_option = click.option(
    '--fields',
    default='name:str',
    show_default=True,
    help='Fields of the model: NAME:TYPE, with :unique or :optional. Types: str, text, int, '
    'decimal, bool, date, datetime, uuid, json, enum(a,b), ref(feature).',
)
plural_option = click.option('--plural', help='Plural of the model in snake_case.')


@feature_cli.command('new')
@click.argument('name')
@click.option('--model', help='Class of the model; by default the singular of NAME, or NAME.')
@plural_option
@fields_option
@click.option('--requires', multiple=True, help='A feature that the new one uses; repeatable.')
def feature_new(
    name: str, model: str | None, plural: str | None, fields: str, requires: tuple[str, ...]
) -> None:
    """Create a feature with a model, routes, commands, tests, a migration and a page."""
    created, paths = create_feature(name, ModelOptions(model, plural, fields), requires)
    _print_paths(paths)
    click.echo(
        f'Created the feature {name}: model {created.name.pascal}, table {created.table}, '
        f'URL {created.url}. Next: flask db upgrade, then flask feature check {name}.'
    )


@feature_cli.command('add')
@click.argument('name')
@click.option('--model', required=True, help='Class of the model, such as Payment.')
@plural_option
@fields_option
def feature_add(name: str, model: str, plural: str | None, fields: str) -> None:
    """Add a model to a feature, with routes, commands, tests and a migration."""
    paths = add_model(name, ModelOptions(model, plural, fields))
    _print_paths(paths)
    click.echo(
        f'Added {model} to the feature {name}. '
        f'Next: flask db upgrade, then flask feature check {name}.'
    )


@feature_cli.command('list')
@as_json
def feature_list(as_json: bool) -> None:
    """List the features, each after those that it requires. With --json, also their routes."""
    rows = [feature._asdict() for feature in list_features()]
    if not as_json:
        rows = [{**row, 'routes': len(row['routes'])} for row in rows]
    print_rows(rows, ('name', 'requires', 'tables', 'routes'), as_json=as_json)


@feature_cli.command('check')
@click.argument('name', required=False)
@click.option(
    '--fix', is_flag=True, help='First format the code, sort imports, and write the documents.'
)
@click.pass_context
def feature_check(context: click.Context, name: str | None, fix: bool) -> None:
    """Run all checks of one feature, or of all features. Exit code 1 if one fails."""
    if fix:
        fix_features(name)
    outcomes = check_features(name)
    failed = [outcome for outcome in outcomes if outcome.output is not None]
    for feature, check, output in failed:
        click.echo(f'== {feature}: {check.title} failed\n{output}\nRemedy: {check.remedy}\n')
    passed = [outcome for outcome in outcomes if outcome.output is None]
    for feature, check, _ in passed:
        click.echo(f'{feature}: {check.title} ok')
    for feature, check, _ in failed:
        click.echo(f'{feature}: {check.title} FAILED')
    if failed:
        context.exit(1)


@feature_cli.command('remove')
@click.argument('name')
@click.option('--confirm', is_flag=True, help='Confirm that no database has the tables any more.')
@click.option(
    '--keep-data', is_flag=True, help='Keep the tables, and the migrations that create them.'
)
@click.pass_context
def feature_remove(context: click.Context, name: str, confirm: bool, keep_data: bool) -> None:
    """Remove a feature: its code, tests, page, migrations and tables.

    If the main branch does not have the migrations of the feature, the command undoes `flask
    feature new`, and deletes the tables in the database at hand. Otherwise other databases may have
    the tables: the first call only prints the command that deletes them, and a second call with
    --confirm removes the feature, unless the database at hand still has its tables.
    """
    removal = planned_removal(name)
    if keep_data:
        remove_code(removal)
        _print_paths(removal.code)
        click.echo(
            f'Removed the code of {name}. {removal.migrations}/README.md has the next steps.'
        )
    elif not removal.is_on_main:
        undo_feature(removal)
        _print_paths(removal.code)
        click.echo(f'Removed the feature {name}.')
    elif confirm:
        remove_feature(removal)
        _print_paths(removal.code)
        click.echo(f'Removed the feature {name}.')
    else:
        click.echo(
            'Nothing was removed: other databases may have the tables of this feature.\n'
            f'1. On every database: {removal.downgrade}\n'
            f'2. Then: flask feature remove {name} --confirm'
        )
        context.exit(1)


def _print_paths(paths: Iterable[Path]) -> None:
    for path in paths:
        click.echo(path)
