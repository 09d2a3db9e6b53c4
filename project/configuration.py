"""Loading of the configuration with the checks of all packages; `flask config` and `doctor`."""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .core.checks import (
    ConfigCheck,
    DoctorCheck,
    Finding,
    Situation,
    State,
    checks_of,
    register_check,
)
from .core.cli.configuration import config_commands
from .core.cli.doctor import doctor_command
from .core.cli.output import watch_output

if TYPE_CHECKING:
    from config.loading import LoadedConfig

    from .core.documents.settings import SettingDescription

# The checks of the package `config` and of the core. They run before those of features.
OWN_CHECK, CORE_CHECK = 'configuration', 'core_configuration'


def load_configuration(config: object | str | None = None) -> 'LoadedConfig':
    """Return the configuration, with the faults and warnings that the checks of all packages find.

    :param config: a configuration class or its import path; by default `APP_ENV` selects it.
    :raises SystemExit: with one line, if `APP_ENV` is not a known environment.
    """
    # Imported here: every `flask` command imports this module, even if it needs no application.
    from config import checks
    from config.loading import load_config

    from . import api  # noqa: F401 - registers the checks of the features
    from .core import config_checks  # noqa: F401 - registers those of the core

    loaded = load_config(config)
    loaded.faults_by_check[OWN_CHECK] = [*loaded.faults]
    start_checks = sorted(checks_of(ConfigCheck).items(), key=_order)
    for name, check in start_checks:
        loaded.add_faults(check.find_faults(loaded.values), check=name)
    if not loaded.faults:
        for _, check in start_checks:
            loaded.warnings += check.find_warnings(loaded.values)
        loaded.values['TRUSTED_HOSTS'] = checks.trusted_hosts(loaded.values)
    return loaded


def describe_settings() -> 'list[SettingDescription]':
    """Return the settings with the defaults of production, whatever `APP_ENV` is."""
    from config import env
    from config.production import ProductionConfig
    from config.settings import MAX_BYTES, declared_settings

    from .core.documents.settings import SettingDescription

    return [
        SettingDescription(
            setting.variable or key,
            # The machine has no influence on the pages.
            setting.default_text.removeprefix('file://').replace(f'{env.ROOT}/', ''),
            setting.kind.wanted.replace(str(MAX_BYTES), '2^60'),
            setting.meaning,
            setting.variable is not None,
        )
        for key, setting in declared_settings(ProductionConfig).items()
    ]


def situation_of(loaded: 'LoadedConfig | None', url: str | None) -> Situation:
    """Return the values for the checks of `flask doctor`, and set the umask of the service.

    :param loaded: the configuration; None if it cannot be loaded.
    :param url: the URL of the service for clients, if the operator has passed it.
    """
    from config import env

    requirements = env.ROOT / 'requirements' / 'app.txt'
    if loaded is None:
        return Situation(config={}, var=env.VAR, requirements=requirements, url=url)
    # As `wsgi.py` does: a check creates a file, and looks at its mode.
    os.umask(int(loaded.values['UMASK'], base=8))
    variables = {key: each.variable for key, each in loaded.settings.items() if each.variable}
    return Situation(
        config=loaded.values,
        variables=variables,
        secret_files=loaded.secret_files(),
        var=env.VAR,
        requirements=requirements,
        url=url,
    )


def _order(registered: tuple[str, ConfigCheck]) -> tuple[bool, bool, str]:
    """Return the place of a check at the start: the general one, the core, then the features."""
    name = registered[0]
    return name != OWN_CHECK, name != CORE_CHECK, name


def _find_faults(config: Mapping[str, Any]) -> Iterator[str]:
    from config import checks

    return checks.find_faults(config)


def _find_warnings(config: Mapping[str, Any]) -> Iterator[str]:
    from config import checks

    return checks.find_warnings(config)


def _check_secret_keys(situation: Situation) -> Iterator[Finding]:
    """Check the strength of SECRET_KEY and of its fallbacks."""
    from config.checks import weak_secret_keys

    weak = list(weak_secret_keys(situation.config))
    if weak and situation.config['STRICT']:
        seen = f'{", ".join(weak)}: see the faults of `{OWN_CHECK}`'
        yield Finding(State.NOT_CHECKED, seen, remedy='')
        return
    for name in weak:
        fault = f'{name} is weak: short, of few different characters, or with a common word'
        yield Finding(State.OK, f'accepted in development: {fault}', fails_deploy=True)
    if not weak:
        count = 1 + len(situation.config['SECRET_KEY_FALLBACKS'])
        yield Finding(State.OK, f'keys: {count}, each at least 32 bytes')


# The package `config` does not import `project`, so this module registers its checks.
register_check(
    OWN_CHECK,
    ConfigCheck(find_faults=_find_faults, find_warnings=_find_warnings),
    owner=__name__,
)
register_check(
    'secret_keys',
    DoctorCheck(
        function=_check_secret_keys,
        remedy='Set SECRET_KEY to a new key (`flask secret-key`), then follow '
        'docs/operations.md, "Changing SECRET_KEY".',
    ),
    owner=__name__,
)

# `flask` imports this module before it runs a command: see the entry points in `pyproject.toml`.
watch_output()

config_cli = config_commands(load_configuration)
doctor_cli = doctor_command(load_configuration, situation_of)
