"""Descriptions of all settings, for the pages of the features."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from project.core.app_values import AppValue

from .owners import Owners


class SettingDescription(NamedTuple):
    """A setting, as the page of its feature shows it.

    :param name: its environment variable, or its key if no variable sets it.
    :param default: the default in production as text; empty for a setting without a default.
    """

    name: str
    default: str
    accepted: str
    meaning: str
    has_variable: bool


# A function that describes all settings. The application factory sets it, because the core must not
# import `config`.
DESCRIBE_SETTINGS: AppValue[Callable[[], list[SettingDescription]]] = AppValue('describe_settings')


def setting_rows(owners: Owners) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the owner and the table row of each setting."""
    for found in sorted(DESCRIBE_SETTINGS.get()()):
        meaning = found.meaning
        if not found.has_variable:
            meaning += ' Only in `APP_CONFIG_FILE`.'
        default = f'`{found.default}`' if found.default else '—'
        yield owners.of_setting(found.name), (f'`{found.name}`', default, found.accepted, meaning)
