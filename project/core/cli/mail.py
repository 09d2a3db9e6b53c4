"""`flask mail`: list and preview the mails that the service sends."""

from pathlib import Path

import click

from project.core.mail.previews import mail_names, write_preview

from .toolkit import FeatureGroup, as_json, print_rows

mail_cli = FeatureGroup('mail', help='List and preview the mails that this service sends.')


@mail_cli.command('list')
@as_json
def mail_list(as_json: bool) -> None:
    """List the mails of all features."""
    print_rows(({'name': name} for name in mail_names()), ('name',), as_json=as_json)


@mail_cli.command('preview')
@click.argument('name')
@click.option(
    '--folder',
    default='var/preview',
    type=click.Path(file_okay=False, path_type=Path),
    help='Target folder; created if it does not exist.',
)
def mail_preview(name: str, folder: Path) -> None:
    """Render a mail with example data, and write it as .html, .txt and .eml."""
    for path in write_preview(name, folder):
        click.echo(path)
