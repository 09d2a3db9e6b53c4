"""Loading of the configuration with the checks of all packages, and the command `flask config`."""

from typing import TYPE_CHECKING

from .core.cli.configuration import config_commands

if TYPE_CHECKING:
    from config.loading import LoadedConfig

    from .core.documents.settings import SettingDescription


def load_configuration(config: object | str | None = None) -> 'LoadedConfig':
    """Return the configuration, with the faults and warnings that the checks of all packages find.

    :param config: a configuration class or its import path; by default `APP_ENV` selects it.
    :raises SystemExit: with one line, if `APP_ENV` is not a known environment.
    """
    # Imported here: every `flask` command imports this module, even if it needs no application.
    from config import checks
    from config.loading import load_config

    from .api import config_checks
    from .core import config_checks as core_checks

    loaded = load_config(config)
    modules = (checks, core_checks, *config_checks)
    for module in modules:
        loaded.add_faults(module.find_faults(loaded.values))
    if not loaded.faults:
        for module in modules:
            loaded.warnings += module.find_warnings(loaded.values)
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


config_cli = config_commands(load_configuration)
