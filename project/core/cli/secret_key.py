"""`flask secret-key`: works before the application is configured."""

import secrets

import click


@click.command('secret-key')
def secret_key() -> None:
    """Print a new SECRET_KEY (256 random bits)."""
    click.echo(secrets.token_hex(32))
