"""`flask config`. It creates no application, so that it works with an invalid configuration."""

from collections.abc import Callable
from typing import Protocol

import click
from flask import Flask
from flask.cli import ScriptInfo

json_option = click.option('--json', 'as_json', is_flag=True, help='Print JSON.')


class LoadedConfig(Protocol):
    """A configuration with the faults and warnings of its checks."""

    faults: list[str]
    warnings: list[str]

    def rows(self) -> list[dict[str, object]]:
        """Return a row per setting: `name`, `value`, `source`, `accepted` and `meaning`.

        Secrets are masked.
        """
        ...


def config_commands(load: Callable[[], LoadedConfig]) -> click.Group:
    """Return the command group `config`.

    :param load: a function that returns the configuration, or raises SystemExit if `APP_ENV` is
        unknown.
    """
    group = click.Group('config', help='Show and check the configuration.')

    @group.command('show')
    @json_option
    def show(as_json: bool) -> None:
        """Print the effective settings and their sources. Secrets are masked."""
        # Imported here: every `flask` command imports this module.
        from .toolkit import print_rows

        loaded = load()
        columns = ('name', 'value', 'source', *(['accepted', 'meaning'] if as_json else []))
        print_rows(loaded.rows(), columns, as_json=as_json)
        if loaded.faults:
            raise click.ClickException(f'{"; ".join(loaded.faults)} (shown: the defaults)')

    @group.command('check')
    @click.option('--online', is_flag=True, help='Also check the dependencies, as /readyz does.')
    @json_option
    def check(online: bool, as_json: bool) -> None:
        """Print all faults of the configuration; exit with 1 if there are any."""
        from .toolkit import print_rows

        rows = _found(load)
        if online and not any(row['kind'] == 'fault' for row in rows):
            rows += _dependencies(click.get_current_context().ensure_object(ScriptInfo).load_app())
        if rows or as_json:
            print_rows(rows, ('kind', 'text'), as_json=as_json)
        else:
            click.echo('The configuration has no faults.')
        if faults := sum(row['kind'] == 'fault' for row in rows):
            raise click.ClickException(f'the configuration has faults: {faults}')

    return group


def _found(load: Callable[[], LoadedConfig]) -> list[dict[str, str]]:
    try:
        loaded = load()
    except SystemExit as rejection:
        return [{'kind': 'fault', 'text': str(rejection.code)}]
    return [
        *({'kind': 'fault', 'text': text} for text in loaded.faults),
        *({'kind': 'warning', 'text': text} for text in loaded.warnings),
    ]


def _dependencies(app: Flask) -> list[dict[str, str]]:
    """Return a row per dependency; its state is `ok` or a fault if the service cannot use it.

    Other states are reported as warnings: for example, tasks are late because no worker runs yet.
    """
    from project.core.checks import HealthCheck, State, checks_of
    from project.core.observability.health import run_checks

    kinds = {State.OK: 'ok', State.FAILED: 'fault', State.WARNING: 'warning'}
    rows = []
    for name, found in run_checks(app).items():
        kind = kinds[checks_of(HealthCheck)[name].state_of(found.state)]
        reason = f' ({found.result.reason})' if found.result.reason else ''
        rows.append({'kind': kind, 'text': f'{name}: {found.state}{reason}'})
    return rows
