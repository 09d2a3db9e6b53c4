"""Commands that list, create, disable, enable and delete users."""

from typing import Any, cast

import click
from marshmallow import Schema

from project.core.cli.toolkit import EmailAddress, as_json, dry_run, limit_option, print_rows
from project.core.database.keyset_pagination import PageRequest
from project.core.web.requests.fields import Text
from project.users import service
from project.users.permissions import MEMBER

from . import users_cli

COLUMNS = ('id', 'username', 'email', 'name', 'roles', 'status', 'created_at')


class UserCreateOptions(Schema):
    """Validation of the options of `flask users create`, with the rules of `POST /users`."""

    name = Text(max=80)


@users_cli.command('list')
@click.option('--role')
@click.option('--status', type=click.Choice(['active', 'disabled']))
@limit_option
@as_json
def users_list(role: str | None, status: str | None, limit: int, as_json: bool) -> None:
    """List users, oldest first."""
    filters = {name: value for name, value in (('role', role), ('status', status)) if value}
    page = service.list_users(PageRequest(limit=limit, filters=filters))
    _show(page.items, as_json)


@users_cli.command('show')
@click.argument('user')
@as_json
def users_show(user: str, as_json: bool) -> None:
    """Show a user by username or email address."""
    _show([service.get_user_by_login(user)], as_json, one=True)


@users_cli.command('create')
@click.argument('username')
@click.option('--email', required=True, type=EmailAddress())
@click.option('--name', default='')
@click.option('--role', 'roles', multiple=True, default=[MEMBER])
@click.option('--no-invite', is_flag=True, help='Send no invitation.')
@as_json
def users_create(
    username: str, email: str, name: str, roles: tuple[str, ...], no_invite: bool, as_json: bool
) -> None:
    """Create and invite a user."""
    options = cast(dict[str, str], UserCreateOptions().load({'name': name}))
    user = service.create_user(
        username=username,
        email=email,
        name=options['name'],
        roles=roles,
        invite=not no_invite,
    )
    _show([user], as_json, one=True)


@users_cli.command('disable')
@click.argument('user')
def users_disable(user: str) -> None:
    """Disable a user: all sessions end immediately, and logins fail."""
    found = service.get_user_by_login(user)
    service.disable_user(found.id)
    click.echo(f'Disabled {found.username}.')


@users_cli.command('enable')
@click.argument('user')
def users_enable(user: str) -> None:
    """Enable a disabled user."""
    found = service.get_user_by_login(user)
    service.enable_user(found.id)
    click.echo(f'Enabled {found.username}.')


@users_cli.command('delete')
@click.argument('user')
@click.option('--yes', is_flag=True, help='Do not ask for confirmation.')
@dry_run
def users_delete(user: str, yes: bool, dry_run: bool) -> None:
    """Delete a user and all their data."""
    found = service.get_user_by_login(user)
    if dry_run:
        click.echo(f'Would delete {found.username} ({found.email}) and all their data.')
        return
    if not yes:
        click.confirm(f'Delete {found.username} and all their data?', abort=True)
    service.delete_user(found.id)
    click.echo(f'Deleted {found.username}.')


@users_cli.command('stats')
@as_json
def users_stats(as_json: bool) -> None:
    """Count users by status."""
    print_rows([service.user_stats()], ('active', 'disabled'), as_json=as_json, one=True)


def _show(users: Any, as_json: bool, *, one: bool = False) -> None:
    print_rows((user._asdict() for user in users), COLUMNS, as_json=as_json, one=one)
