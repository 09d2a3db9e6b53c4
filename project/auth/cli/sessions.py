"""`flask create-user` and `flask auth`: what an operator does to accounts and sessions."""

import sys
from uuid import UUID

import click

from project.core.ops.cli import Address, FeatureGroup, as_json, dry_run, show, top_level
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
    sessions = service.list_sessions_of(users.get_user_by_login(user).id)
    show((row._asdict() for row in sessions), SESSION_COLUMNS, as_json=as_json)


@auth_cli.command('revoke')
@click.argument('user')
@click.option('--session', type=click.UUID, help='Only this one.')
@dry_run
def auth_revoke(user: str, session: UUID | None, dry_run: bool) -> None:
    """End the sessions of a user; the next request with any of them is refused."""
    user_id = users.get_user_by_login(user).id
    if dry_run:
        found = [row.id for row in service.list_sessions_of(user_id)]
        count = len(found) if session is None else found.count(session)
        click.echo(f'Would end {count} session(s).')
    elif session is None:
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


@auth_cli.command('sweep')
@dry_run
@as_json
def auth_sweep(dry_run: bool, as_json: bool) -> None:
    """Delete sessions, registrations and PINs whose time is over."""
    removed = service.sweep(dry_run=dry_run)
    show([removed], tuple(removed), as_json=as_json, one=True)
