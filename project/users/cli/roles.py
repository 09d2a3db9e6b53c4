"""Commands that define roles, and grant and revoke them."""

from typing import Any, cast

import click

from project.core.cli.toolkit import FeatureGroup, as_json, dry_run, print_rows
from project.core.database.keyset_pagination import iterate_pages
from project.users import service
from project.users.schemas import RoleSchema

from . import users_cli

COLUMNS = ('name', 'permissions', 'built_in', 'version', 'updated_at')


@users_cli.command('grant')
@click.argument('user')
@click.argument('role')
def users_grant(user: str, role: str) -> None:
    """Grant a role to a user."""
    found = service.grant_role(service.get_user_by_login(user).id, role)
    click.echo(f'{found.username} has {", ".join(found.roles)}.')


@users_cli.command('revoke')
@click.argument('user')
@click.argument('role')
@dry_run
def users_revoke(user: str, role: str, dry_run: bool) -> None:
    """Revoke a role of a user."""
    found = service.get_user_by_login(user)
    if dry_run:
        left = [held for held in found.roles if held != role]
        click.echo(f'{found.username} would have {", ".join(left) or "none"}.')
        return
    found = service.revoke_role(found.id, role)
    click.echo(f'{found.username} has {", ".join(found.roles) or "none"}.')


@users_cli.group('roles', cls=FeatureGroup, invoke_without_command=True)
@as_json
@click.pass_context
def users_roles(context: click.Context, as_json: bool) -> None:
    """List the roles and their permissions."""
    if context.invoked_subcommand:
        return
    shown = RoleSchema()
    roles = (cast(dict[str, Any], shown.dump(role)) for role in iterate_pages(service.list_roles))
    print_rows(roles, COLUMNS, as_json=as_json)


@users_roles.command('set')
@click.argument('name')
@click.argument('permissions', nargs=-1)
def users_roles_set(name: str, permissions: tuple[str, ...]) -> None:
    """Set the permissions of a role; create the role if necessary."""
    role = service.define_role(name, permissions)
    click.echo(f'{role.name} allows {", ".join(role.permissions) or "nothing"}.')


@users_roles.command('delete')
@click.argument('name')
@dry_run
def users_roles_delete(name: str, dry_run: bool) -> None:
    """Delete a role. All users lose it."""
    if dry_run:
        click.echo(f'Would delete {name}.')
        return
    service.delete_role(name)
    click.echo(f'Deleted {name}.')
