"""Command that lists security events."""

import json
from itertools import islice

import click

from project.auth import service
from project.core.cli.toolkit import as_json, limit_option, print_rows
from project.users import service as users

from . import auth_cli

COLUMNS = (
    'created_at', 'user_id', 'kind', 'outcome', 'actor', 'address', 'user_agent', 'request_id',
    'details',
)  # fmt: skip


@auth_cli.command('events')
@click.argument('user', required=False)
@click.option('--kind', help='List only events of this kind, such as login.')
@limit_option
@as_json
def auth_events(user: str | None, kind: str | None, limit: int, as_json: bool) -> None:
    """List the security events of all users or of one user, newest first."""
    user_id = users.get_user_by_login(user).id if user else None
    events = islice(service.list_all_events(user_id, kind), limit)
    rows = ({**row._asdict(), 'details': json.loads(row.details)} for row in events)
    print_rows(rows, COLUMNS, as_json=as_json)
