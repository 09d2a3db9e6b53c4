"""Descriptions of all settings, for the pages of the features."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from project.core.app_values import AppValue

from .owners import Owners


class SettingDescription(NamedTuple):
    """A setting as its page shows it.

    :param name: its environment variable, or its key if it has none.
    :param default: the default of production as text; empty without a default.
    """

    name: str
    default: str
    accepted: str
    meaning: str
    has_variable: bool


# The core does not import `config`, so the factory sets the function that reads the declarations.
DESCRIBE_SETTINGS: AppValue[Callable[[], list[SettingDescription]]] = AppValue('describe_settings')


def setting_rows(owners: Owners) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield a row per setting."""
    for found in sorted(DESCRIBE_SETTINGS.get()()):
        meaning = found.meaning
        if not found.has_variable:
            meaning += ' Only in `APP_CONFIG_FILE`.'
        default = f'`{found.default}`' if found.default else '—'
        yield owners.of_setting(found.name), (f'`{found.name}`', default, found.accepted, meaning)
