"""`flask api`: the documents that are made from the routes' declarations, and must agree with them.

`openapi.json` is for clients, `docs/matrix.md` for reviews of authorization. The table of
attempt counters in `docs/security.md` is made from their definitions.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click
import orjson
from flask import current_app

from project.core.security.permissions import default_permissions
from project.core.throttling import DAY, AttemptCounter, attempt_counters
from project.core.web.endpoints.access import Access
from project.core.web.endpoints.endpoint_spec import EndpointSpec, declared_methods
from project.core.web.openapi.document import specification

from .toolkit import FeatureGroup

ROOT = Path(__file__).resolve().parents[3]

MATRIX = """# Who may call what

Made by `flask api write` from the routes' declarations; `tests/integration/test_matrix.py` calls
every route as each of them. A member is anybody who is logged in, with nothing granted. *Own*: the
user whom the URL names. `ok`: the guard lets them pass. A key is an API key of the role, with every
scope; `—`: what no key may do.

| route | nobody | member | admin | scope of a key |
|---|---|---|---|---|
"""

COUNTERS_BLOCK_PATTERN = re.compile(
    '(?<=<!-- attempt counters: begin -->\n).*(?=<!-- attempt counters: end -->)', re.DOTALL
)
COUNTERS = """| counter | counts per | limit | guesses per account and day | way in | reset |
|---|---|---|---|---|---|
"""

api_cli = FeatureGroup('api', help='Look after the documents made from the routes.')


@api_cli.command('write')
def api_write() -> None:
    """Write openapi.json, docs/matrix.md and the table in docs/security.md anew."""
    for path, text in documents().items():
        path.write_text(text, encoding='utf-8')
        click.echo(f'Wrote {path.relative_to(ROOT)}.')


@api_cli.command('check')
def api_check() -> None:
    """Exit with 1 if a generated document is not what the code declares."""
    for path, text in documents().items():
        if not path.exists() or path.read_text(encoding='utf-8') != text:
            raise click.ClickException(f'{path.relative_to(ROOT)} is stale: flask api write')
    click.echo('Documents: ok')


def documents() -> dict[Path, str]:
    """Return each generated document, by its path."""
    spec = orjson.dumps(specification(), option=orjson.OPT_INDENT_2).decode()
    security = ROOT / 'docs' / 'security.md'
    return {
        ROOT / 'openapi.json': f'{spec}\n',
        ROOT / 'docs' / 'matrix.md': matrix(),
        security: with_counters(security.read_text(encoding='utf-8')),
    }


def with_counters(page: str) -> str:
    """Return a page with a new table of attempt counters between its two markers."""
    rows = ''.join(_counter_row(counter) for counter in attempt_counters())
    return COUNTERS_BLOCK_PATTERN.sub(lambda _: COUNTERS + rows, page)


def matrix() -> str:
    """Return the table route × role."""
    specs: dict[tuple[str, str], EndpointSpec] = current_app.extensions['endpoint_specs']
    rows = [
        (rule.rule, method, specs[rule.endpoint, method].allow)
        for rule in current_app.url_map.iter_rules()
        for method in declared_methods(rule) - {'HEAD'}
    ]
    return MATRIX + ''.join(_row(*row) for row in sorted(rows, key=lambda row: row[:2]))


def _counter_row(counter: AttemptCounter) -> str:
    cells = [
        f'`{counter.name}`',
        counter.scope,
        f'{counter.limit} in {_duration(counter.period)}',
        f'{counter.attempts_per_account_and_day:,}' if counter.targets_per_account else '—',
        counter.recovery,
        f'`{counter.command}`',
    ]
    return f'| {" | ".join(cells)} |\n'


def _duration(period: timedelta) -> str:
    return 'a day' if period == DAY else f'{period // timedelta(minutes=1)} minutes'


def _row(rule: str, method: str, allow: Access) -> str:
    held: Callable[[str], bool] = default_permissions().__contains__
    scope = 'public' if allow.kind == 'public' else f'`{allow.scope}`' if allow.scope else '—'
    roles = [
        authorization_result(allow, logged_in=False, holds=held),
        authorization_result(allow, logged_in=True, holds=held),
    ]
    roles.append(authorization_result(allow, logged_in=True, holds=lambda _: True))
    shown = rule.replace('<', '‹').replace('>', '›')
    return f'| `{method} {shown}` | {" | ".join(roles)} | {scope} |\n'


def authorization_result(allow: Access, *, logged_in: bool, holds: Callable[[str], bool]) -> str:
    """Return what a declaration answers somebody: `ok`, or the status of its refusal."""
    if allow.kind == 'public':
        return 'ok'
    if not logged_in:
        return '401'
    fresh = ', freshly logged in' if allow.fresh else ''
    if allow.permission is None or holds(allow.permission):
        return f'ok{fresh}'
    return f'404, own: ok{fresh}' if allow.own else '403'
