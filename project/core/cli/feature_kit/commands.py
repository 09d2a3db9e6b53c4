"""The commands of `flask feature`."""

import click

from project.core.cli.toolkit import FeatureGroup

from .generation import ModelOptions, create_feature

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
@click.option('--model', help='Class of the model; by default the singular of NAME.')
@plural_option
@fields_option
@click.option('--requires', multiple=True, help='A feature that the new one uses; repeatable.')
def feature_new(
    name: str, model: str | None, plural: str | None, fields: str, requires: tuple[str, ...]
) -> None:
    """Create a feature with a model, routes, commands, tests, a migration and a page."""
    paths = create_feature(name, ModelOptions(model, plural, fields), requires)
    for path in paths:
        click.echo(path)
    click.echo(f'Created the feature {name}. Next: flask db upgrade, then make sure.')
