"""Commands for sessions, attempt counters and expired rows."""

from uuid import UUID

import click

from project.auth import service
from project.core.cli.toolkit import IpAddress, as_json, dry_run, print_rows, with_progress
from project.users import service as users

from . import auth_cli

SESSION_COLUMNS = ('id', 'created_at', 'last_used_at', 'expires_at', 'address', 'user_agent')


@auth_cli.command('sessions')
@click.argument('user')
@as_json
def auth_sessions(user: str, as_json: bool) -> None:
    """List the live sessions of a user."""
    sessions = service.list_sessions_of(users.get_user_by_login(user).id)
    print_rows((row._asdict() for row in sessions), SESSION_COLUMNS, as_json=as_json)


@auth_cli.command('revoke')
@click.argument('user')
@click.option('--session', type=click.UUID, help='End only the session with this id.')
@dry_run
def auth_revoke(user: str, session: UUID | None, dry_run: bool) -> None:
    """End the sessions of a user.

    The next request with a token of an ended session returns 401.
    """
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
@click.argument('user', required=False)
@click.option('--network', type=IpAddress(), help='Reset the counter of an IP address instead.')
def auth_unlock(user: str | None, network: str | None) -> None:
    """Reset all attempt counters of a user, or of an email address without a user.

    With --network, reset the counter of wrong PINs from the network of an IP address: /24 for IPv4,
    /64 for IPv6.
    """
    if user and not network:
        names = service.unlock(user)
    elif network and not user:
        names = service.unlock_network(network)
    else:
        raise click.UsageError('Give either USER or --network.')
    for name in names:
        click.echo(f'Reset {name}.')
    if not names:
        click.echo('No attempts were counted.')


@auth_cli.command('sweep')
@dry_run
@as_json
@click.pass_context
def auth_sweep(ctx: click.Context, dry_run: bool, as_json: bool) -> None:
    """Delete expired rows: sessions, devices, PINs, events and others.

    Exit code 1 if the deletion failed for a table. The other tables are cleaned up nevertheless.
    """
    row = dict.fromkeys(service.expired_rows(), 0)
    failed = []
    for batch in with_progress('Sweeping', service.delete_expired(dry_run=dry_run)):
        row[batch.name] += batch.rows
        failed += [batch.name] if batch.error else []
    print_rows([row], tuple(row), as_json=as_json, one=True)
    if failed:
        click.echo(f'Error: not cleaned up: {", ".join(failed)}', err=True)
        ctx.exit(1)
