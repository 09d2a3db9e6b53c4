"""`flask create-user` and `flask auth`: what an operator does to accounts and sessions."""

import sys
from uuid import UUID

import click

from project.core.data.keyset import PageRequest
from project.core.ops.cli import Address, FeatureGroup, as_json, show, top_level
from project.users import service as users

from . import service

auth_cli = FeatureGroup('auth', help='Look after sessions and guesses.')

SESSION_COLUMNS = ('id', 'created_at', 'last_used_at', 'expires_at', 'address', 'user_agent')


@top_level('create-user')
@click.argument('name')
@click.option('--email', required=True, type=Address())
@click.option('--admin', is_flag=True, help='Grant every permission.')
@click.option('--generate', is_flag=True, help='Generate the password and print it.')
def create_user(name: str, email: str, admin: bool, generate: bool) -> None:
    """Create a user who can log in; the only way to a first admin.

    The password is asked for. It is generated with --generate, and where nobody can be asked.
    """
    ask = sys.stdin.isatty() and not generate
    password = click.prompt('Password', hide_input=True, confirmation_prompt=True) if ask else None
    user, chosen = service.create_account(
        username=name, email=email, password=password, admin=admin
    )
    click.echo(f'Created {user.username} <{user.email}> ({", ".join(user.roles)}).')
    if password is None:
        click.echo(f'Password: {chosen}')


@auth_cli.command('sessions')
@click.argument('user')
@as_json
def auth_sessions(user: str, as_json: bool) -> None:
    """List the live sessions of a user."""
    page = service.list_sessions_of(users.get_user_by_login(user).id, PageRequest(limit=1000))
    show((dict(row._mapping) for row in page.items), SESSION_COLUMNS, as_json=as_json)


@auth_cli.command('revoke')
@click.argument('user')
@click.option('--session', type=click.UUID, help='Only this one.')
def auth_revoke(user: str, session: UUID | None) -> None:
    """End the sessions of a user; the next request with any of them is refused."""
    user_id = users.get_user_by_login(user).id
    if session is None:
        click.echo(f'Ended {service.end_sessions_of(user_id)} session(s).')
    else:
        service.end_session(user_id, session)
        click.echo('Ended 1 session(s).')


@auth_cli.command('unlock')
@click.argument('user')
def auth_unlock(user: str) -> None:
    """Forget the wrong passwords counted against a user."""
    found = service.unlock(user)
    click.echo('Unlocked.' if found else 'Was not locked.')
