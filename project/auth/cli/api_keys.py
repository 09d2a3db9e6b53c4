"""Commands for API keys and leaked tokens."""

import sys
from uuid import UUID

import click

from project.auth import service
from project.core.cli.toolkit import as_json, dry_run, print_rows
from project.users import service as users

from . import auth_cli

COLUMNS = ('id', 'name', 'hint', 'scopes', 'created_at', 'expires_at', 'last_used_at')


@auth_cli.command('keys')
@click.argument('user')
@click.option('--revoke', type=click.UUID, help='Delete the API key with this id.')
@as_json
def auth_keys(user: str, revoke: UUID | None, as_json: bool) -> None:
    """List the API keys of a user, or delete one."""
    user_id = users.get_user_by_login(user).id
    if revoke:
        service.delete_key(user_id, revoke)
        click.echo('Deleted 1 key(s).')
        return
    keys = service.list_keys_of(user_id)
    print_rows((row._asdict() for row in keys), COLUMNS, as_json=as_json)


@auth_cli.command('leaked')
@click.argument('token')
@dry_run
def auth_leaked(token: str, dry_run: bool) -> None:
    """Revoke a token of any kind and notify its owner.

    If TOKEN is `-`, it is read from standard input. This keeps it out of the shell history.
    """
    given = sys.stdin.read().strip() if token == '-' else token
    act = service.find_token_owner if dry_run else service.revoke_leaked
    kind, user = act(given)
    done = 'Would revoke' if dry_run else 'Revoked'
    click.echo(f'{done} the {kind} of {user.username}.')
