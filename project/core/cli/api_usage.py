"""`flask api usage`: the callers of deprecated routes."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import click

from project.core.deprecated_calls import KEPT_DAYS, list_callers
from project.core.web.endpoints.deprecated_routes import deprecations

from .api_documents import api_cli
from .toolkit import as_json, print_rows

COLUMNS = ('route', 'sunset', 'caller', 'user_id', 'key_id', 'agent', 'requests', 'last_seen')


@api_cli.command('usage')
@click.option(
    '--since', type=click.DateTime(['%Y-%m-%d']), metavar='DATE',
    help=f'Only requests since this day (UTC); by default of {KEPT_DAYS} days.',
)  # fmt: skip
@as_json
def api_usage(since: datetime | None, as_json: bool) -> None:
    """List the callers of deprecated routes, with the number of their requests.

    A route without callers is listed with 0 requests. `caller` is a user, an API key, `anonymous`,
    or `others`: callers beyond the number that is counted separately. Each process writes its
    counts after a response, at most every 10 seconds.
    """
    print_rows(_rows(since.date() if since else None), COLUMNS, as_json=as_json)


def _rows(since: date | None) -> Iterator[dict[str, Any]]:
    sunsets, called = deprecations(), set()
    for found in list_callers(since):
        called.add(found.route)
        # A route that is no longer deprecated, or was removed, has no sunset date.
        yield {**found._asdict(), 'sunset': sunsets.get(found.route), 'caller': found.caller,
               'user_id': found.user_id if found.user_id > 0 else None,
               'key_id': found.key_id or None}  # fmt: skip
    for route in sorted(set(sunsets) - called):
        yield {**dict.fromkeys(COLUMNS), 'route': route, 'sunset': sunsets[route], 'requests': 0}
