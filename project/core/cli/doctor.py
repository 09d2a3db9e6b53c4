"""`flask doctor`. It works with an invalid configuration, and without an application."""

import logging
import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click
from flask.cli import ScriptInfo

from project.core.checks import ConfigCheck, Finding, Situation, State, checks, checks_of, reason_of

if TYPE_CHECKING:
    from project.core.doctor.running import Row

URL_PATTERN = re.compile(r'https?://[^\s/@?#]+(/[^\s?#]*)?')
# The names of the threads of checks begin with it.
THREAD_PREFIX = 'doctor '
STATE_WIDTH = max(map(len, State)) + 2


class LoadedConfig(Protocol):
    """A configuration, and the faults and warnings of its checks."""

    values: dict[str, Any]
    faults: list[str]
    warnings: list[str]
    faults_by_check: dict[str, list[str]]


L = TypeVar('L', bound=LoadedConfig)


def doctor_command(
    load: Callable[[], L], situation_of: Callable[[L | None, str | None], Situation]
) -> click.Command:
    """Return the command `doctor`.

    :param load: a function that returns the configuration, or raises SystemExit if `APP_ENV` is
        unknown.
    :param situation_of: a function that returns the values for the checks: of a configuration, if
        it could be loaded, and of a URL.
    """

    @click.command('doctor')
    @click.option(
        '--deploy', is_flag=True, help='Also fail for settings that are insecure in production.'
    )
    @click.option('--url', callback=_validate_url, help='Request the service through its proxies.')
    @click.option('--json', 'as_json', is_flag=True, help='Print JSON.')
    def doctor(deploy: bool, url: str | None, as_json: bool) -> None:
        """Check settings, packages, files and servers; exit with 1 if a check fails."""
        script = click.get_current_context().ensure_object(ScriptInfo)
        # The report contains the reasons, so log lines of the same errors are noise.
        logging.disable(logging.CRITICAL)
        try:
            rows = _report(load, situation_of, url, script, is_deploy=deploy)
        finally:
            logging.disable(logging.NOTSET)
        _print(rows, as_json=as_json)
        failed = sum(row.state is State.FAILED for row in rows)
        if failed and is_any_running():
            _end_process(f'Error: failed checks: {failed}')
        if failed:
            raise click.ClickException(f'failed checks: {failed}')

    return doctor


def is_any_running() -> bool:
    """Return whether a check has not ended yet, although its time limit has expired."""
    return any(thread.name.startswith(THREAD_PREFIX) for thread in threading.enumerate())


def _end_process(message: str) -> None:
    """Print an error, and exit at once, with the code 1.

    A check that has not ended may wait for a server. The library of S3 has threads for whose end a
    normal exit of Python would wait, too: for minutes, if the server is silent.
    """
    click.echo(message, err=True)
    sys.stdout.flush()
    os._exit(1)


def _validate_url(_context: Any, _option: Any, value: str | None) -> str | None:
    if value is not None and not URL_PATTERN.fullmatch(value):
        raise click.BadParameter('must be a URL such as https://api.example.com')
    return value


def _report(
    load: Callable[[], L],
    situation_of: Callable[[L | None, str | None], Situation],
    url: str | None,
    script: ScriptInfo,
    *,
    is_deploy: bool,
) -> 'list[Row]':
    """Run all checks, and return their rows."""
    # Imported here: every `flask` command imports this module. These modules are first, because the
    # following ones cannot be imported if one of their packages is missing.
    from project.core.doctor import application, packages  # noqa: F401
    from project.core.doctor.running import run_doctor, to_rows

    found: list[tuple[str, Finding]] = []
    loaded = app = None
    try:
        init_checks()
        loaded = load()
        found += _configuration_findings(loaded)
    except SystemExit as rejection:
        found.append(('configuration', Finding(State.FAILED, reason_of(rejection))))
    except Exception as error:
        found.append(('application', Finding(State.FAILED, reason_of(error))))
    situation = situation_of(loaded, url)
    if loaded and not loaded.faults:
        try:
            app = script.load_app()
        except (Exception, SystemExit) as error:
            found.append(('application', Finding(State.FAILED, reason_of(error))))
    names = checks.values.keys() - {name for name, _ in found}
    found += run_doctor(situation, app, names=names, has_config=loaded is not None)
    return to_rows(found, is_deploy=is_deploy)


def init_checks() -> None:
    """Register the checks of the core, which need most packages."""
    from project.core import doctor

    doctor.init_app()


def _configuration_findings(loaded: LoadedConfig) -> Iterator[tuple[str, Finding]]:
    """Yield the faults of each check of the configuration, and all warnings."""
    for name in checks_of(ConfigCheck):
        faults = loaded.faults_by_check.get(name, [])
        yield from ((name, Finding(State.FAILED, fault)) for fault in faults)
        if not faults:
            yield name, Finding(State.OK, 'no faults')
    for warning in loaded.warnings:
        yield 'configuration', Finding(State.WARNING, warning)


def _print(rows: 'Sequence[Row]', *, as_json: bool) -> None:
    from .output import print_any_character
    from .toolkit import print_rows, printable

    print_any_character()
    if as_json:
        found = [{**row._asdict(), 'state': str(row.state)} for row in rows]
        print_rows(found, ('name', 'state', 'seen', 'remedy'), as_json=True)
        return
    width = max(len(row.name) for row in rows) + 2
    for row in rows:
        click.echo(printable(f'{row.state:<{STATE_WIDTH}}{row.name:<{width}}{row.seen}'))
        if row.remedy:
            click.echo(printable(f'{"":<{STATE_WIDTH}}→ {row.remedy}'))
    counts = Counter(row.state for row in rows)
    click.echo(', '.join(f'{counts[state]} {state}' for state in State))
