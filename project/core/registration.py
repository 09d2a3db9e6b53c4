"""Registries in which each name has one owner. A second registration is an error.

The service does not start after such an error. Its message names both owners.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Generic, TypeVar

T = TypeVar('T')

PROJECT = Path(__file__).resolve().parents[1]


class RegistrationError(Exception):
    """A name is registered twice, or belongs to another feature."""


class Registry(Generic[T]):
    """The registered values, by name. Each has an owner: the module that registered it.

    :param kind: the kind of the registered names, such as `permission`, for messages.
    :param has_prefix: whether each name must begin with the name of the owner's feature.
    """

    def __init__(self, kind: str, *, has_prefix: bool = False) -> None:
        self.kind = kind
        self.has_prefix = has_prefix
        self.values: Mapping[str, T] = MappingProxyType({})  #: In the order of their names.
        self._owners: dict[str, str] = {}

    def register(self, name: str, value: T, *, owner: str) -> None:
        """Add a value under a new name.

        :param owner: the module that registers it: `__name__`.
        :raises RegistrationError: if the name is registered already, even by the same module, or
            lacks the prefix.
        """
        if name in self.values:
            raise RegistrationError(
                f'{self.kind} {name!r} is registered by {self.owner_of(name)} and by {owner}'
            )
        if self.has_prefix:
            require_prefix(self.kind, name, owner=owner)
        self.values = MappingProxyType(dict(sorted({**self.values, name: value}.items())))
        self._owners[name] = owner

    def owner_of(self, name: str) -> str:
        """Return the module that registered a name."""
        return self._owners[name]


def require_prefix(kind: str, name: str, *, owner: str) -> None:
    """Ensure that a name begins with the name of the owner's feature.

    Another separator is accepted, too: `/book-club` begins with `book_club`. Modules outside
    `project` are not features, so their names need no prefix.

    :raises RegistrationError: if it does not. If the name begins with the name of another feature,
        the message names that feature, too.
    """
    if not is_in_project(owner):
        return
    words = re.findall(r'[a-z0-9]+', name.lower())
    wanted = feature_of(owner).split('_')
    if words[: len(wanted)] != wanted:
        packages = [path.parent.name for path in PROJECT.glob('*/__init__.py')]
        other = owner_of_name('_'.join(words), packages)
        theirs = f'; its prefix belongs to project.{other}' if other else ''
        raise RegistrationError(
            f'{kind} {name!r} of {owner} must begin with {feature_of(owner)!r}{theirs}'
        )


def owner_of_name(name: str, owners: Iterable[str]) -> str | None:
    """Return the longest of the owners with which a name begins: `files` for `files_tags`.

    :param owners: names of features, or also `core`.
    :returns: None if the name begins with none of them.
    """
    found = [owner for owner in owners if name == owner or name.startswith(f'{owner}_')]
    return max(found, key=len, default=None)


def feature_of(module: str) -> str:
    """Return the feature of a module: `users` for `project.users.permissions`."""
    return module.split('.')[1]


def is_in_project(module: str) -> bool:
    """Return whether a module is part of the core or of a feature."""
    return module.startswith('project.')


def calling_module(called: str) -> str:
    """Return the module that calls a function or a class of the module `called`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals['__name__'] == called:
        frame = frame.f_back
    assert frame is not None  # noqa: S101 - for the type checker
    name: str = frame.f_globals['__name__']
    return name
