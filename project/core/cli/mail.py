"""`flask mail`: to look at every mail before anybody gets it."""

from pathlib import Path

import click

from project.core.mail.previews import mail_names, write_preview

from .toolkit import FeatureGroup, as_json, print_rows

mail_cli = FeatureGroup('mail', help='Look at the mails this service sends.')


@mail_cli.command('list')
@as_json
def mail_list(as_json: bool) -> None:
    """List the mails of every feature."""
    print_rows(({'name': name} for name in mail_names()), ('name',), as_json=as_json)


@mail_cli.command('preview')
@click.argument('name')
@click.option(
    '--folder',
    default='var/preview',
    type=click.Path(file_okay=False, path_type=Path),
    help='Where to; it is made.',
)
def mail_preview(name: str, folder: Path) -> None:
    """Write a mail, filled in with its example, as .html, .txt and .eml."""
    for path in write_preview(name, folder):
        click.echo(path)
