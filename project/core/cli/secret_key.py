"""`flask secret-key`: needs no configured application, for it is how one gets configured."""

import secrets

import click


@click.command('secret-key')
def secret_key() -> None:
    """Print a strong SECRET_KEY (256 random bits)."""
    click.echo(secrets.token_hex(32))
