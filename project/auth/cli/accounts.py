"""Commands that create a user, reset a password and disable a second factor."""

import sys

import click

from project.auth import service
from project.core.cli.toolkit import EmailAddress, app_command

from . import auth_cli


@app_command('create-user')
@click.argument('name')
@click.option('--email', required=True, type=EmailAddress())
@click.option('--admin', is_flag=True, help='Grant every permission.')
@click.option('--generate', is_flag=True, help='Generate the password and print it.')
def create_user(name: str, email: str, admin: bool, generate: bool) -> None:
    """Create a user who can log in immediately, such as the first admin.

    Prompts for the password. With --generate, or if standard input is not a terminal, a password is
    generated instead. It expires after 24 hours.
    """
    ask = sys.stdin.isatty() and not generate
    password = click.prompt('Password', hide_input=True, confirmation_prompt=True) if ask else None
    user, chosen, expires_at = service.create_account(
        username=name, email=email, password=password, admin=admin
    )
    click.echo(f'Created {user.username} <{user.email}> ({", ".join(user.roles)}).')
    if expires_at:
        click.echo(f'The password is valid until {expires_at:%Y-%m-%d %H:%M} UTC: change it.')
        # Print this line last, so that scripts find it.
        click.echo(f'Password: {chosen}')


@auth_cli.command('reset-password')
@click.argument('user')
def auth_reset_password(user: str) -> None:
    """Mail a user a PIN for a new password. Operators cannot set passwords."""
    found = service.start_reset(user)
    click.echo(f'A PIN is on its way to {found.email}.')


@auth_cli.command('disable-totp')
@click.argument('user')
def auth_disable_totp(user: str) -> None:
    """Disable the second factor of a user and notify the user.

    Also deletes the recovery codes.
    """
    found = service.disable_totp_of(user)
    click.echo(f'Turned off the second factor of {found.username}.')
