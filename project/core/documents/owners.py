"""Owners: the feature (or the core) on whose page a route, command, setting or table is listed."""

from collections.abc import Collection

from project.core.registration import owner_of_name

CORE = 'core'


class Owners:
    """The names of all owners, and the rules that determine the owner of a module or a setting.

    :param features: the names of the packages below `project`, without the core.
    """

    def __init__(self, features: Collection[str]) -> None:
        self.names = (CORE, *sorted(features))

    def of_module(self, module: str | None) -> str | None:
        """Return the owner of a module: a feature, or `core` for other modules of `project`.

        :returns: None if the module is not in `project`, such as a module of a library.
        """
        package, _, inside = (module or '').partition('.')
        name = inside.partition('.')[0]
        if package != 'project':
            return None
        return name if name in self.names else CORE

    def of_setting(self, name: str) -> str:
        """Return the feature whose name is the prefix of a setting, otherwise `core`."""
        return owner_of_name(name.lower(), self.names) or CORE
