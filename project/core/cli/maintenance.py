"""`flask maintenance`, the registration of the core's command groups, and `flask shell`."""

import json
import re
from datetime import timedelta
from pathlib import Path

import click
from flask import Flask, current_app

from project.core.clock import now, rfc3339
from project.core.database.session import Base, db
from project.core.web.maintenance import maintenance

from . import development_database
from .api_commands import api_cli
from .feature_kit import feature_cli
from .jobs import jobs_cli
from .mail import mail_cli
from .secrets import secrets_cli
from .toolkit import FeatureGroup, as_json, print_rows

UNITS = {'s': 'seconds', 'm': 'minutes', 'h': 'hours', 'd': 'days'}

maintenance_cli = FeatureGroup('maintenance', help='Turn maintenance mode on or off.')


@maintenance_cli.command('on')
@click.option('--reason', default='', help='Message for clients.')
@click.option('--until', help='Expected duration, for Retry-After: +30m, +2h, +1d.')
def maintenance_on(reason: str, until: str | None) -> None:
    """Return 503 from all routes except /healthz."""
    state = {'reason': reason, 'until': rfc3339(now() + _length(until)) if until else None}
    path = Path(current_app.config['MAINTENANCE_FILE'])
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f'{path.name}.new')
    draft.write_text(json.dumps(state), encoding='utf-8')
    draft.rename(path)
    click.echo('Maintenance is on.')


@maintenance_cli.command('off')
def maintenance_off() -> None:
    """Turn maintenance mode off."""
    Path(current_app.config['MAINTENANCE_FILE']).unlink(missing_ok=True)
    click.echo('Maintenance is off.')


@maintenance_cli.command('status')
@as_json
def maintenance_status(as_json: bool) -> None:
    """Show whether maintenance mode is on, its reason and its end."""
    state = maintenance()
    row = {'maintenance': state is not None, 'reason': None, 'until': None, **(state or {})}
    print_rows([row], ('maintenance', 'reason', 'until'), as_json=as_json, one=True)


def init_app(app: Flask) -> None:
    """Add the core's command groups, and the variables of `flask shell`."""
    for group in (maintenance_cli, jobs_cli, mail_cli, api_cli, secrets_cli, feature_cli):
        app.cli.add_command(group)
    development_database.init_app(app)
    app.shell_context_processor(shell_context)


def shell_context() -> dict[str, object]:
    """Return the variables of `flask shell`: `db` and every model."""
    return {'db': db, **{mapper.class_.__name__: mapper.class_ for mapper in Base.registry.mappers}}


def _length(text: str) -> timedelta:
    match = re.fullmatch(r'\+?(\d{1,6})([smhd])', text)
    if match is None:
        raise click.BadParameter('must be a duration such as +30m', param_hint='--until')
    return timedelta(**{UNITS[match[2]]: int(match[1])})
