"""Owners of generated rows: the features, and the core."""

from collections.abc import Collection

CORE = 'core'


class Owners:
    """The names of all features, and the rules that decide to which of them a definition belongs.

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
        prefixes = [owner for owner in self.names if name.startswith(f'{owner.upper()}_')]
        return max(prefixes, key=len, default=CORE)
