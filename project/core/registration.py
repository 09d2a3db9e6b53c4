"""Registries in which each name has one owner. A second registration is an error."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

T = TypeVar('T')


class RegistrationError(Exception):
    """A name is registered twice, or belongs to another feature."""


class Registry(Generic[T]):
    """Registered values by name. Each has an owner: the module that registered it.

    :param kind: the kind of the registered names, such as `permission`, for messages.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.values: Mapping[str, T] = MappingProxyType({})  #: In the order of their names.
        self._owners: dict[str, str] = {}

    def register(self, name: str, value: T, *, owner: str) -> None:
        """Add a value under a new name.

        :param owner: the module that registers it: `__name__`.
        :raises RegistrationError: if the name is registered already, even by the same module.
        """
        if name in self.values:
            raise RegistrationError(
                f'{self.kind} {name!r} is registered by {self.owner_of(name)} and by {owner}'
            )
        self.values = MappingProxyType(dict(sorted({**self.values, name: value}.items())))
        self._owners[name] = owner

    def owner_of(self, name: str) -> str:
        """Return the module that registered a name."""
        return self._owners[name]


def feature_of(module: str) -> str:
    """Return the feature of a module: `users` for `project.users.permissions`."""
    return module.split('.')[1]
