"""The registry of permissions. The feature that checks a permission registers it.

A role is a named set of permissions, and a route may require a permission. The scopes of an API key
are permissions, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from project.core.registration import RegistrationError, Registry, feature_of


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission: a sentence that explains it, and whether every user has it.

    :param owner: the module that registered it.
    """

    meaning: str
    is_default: bool
    owner: str


_permissions: Registry[Permission] = Registry('permission')

# The feature that owns all permission names with a prefix, such as `users` for `users:…`.
_prefixes: Registry[str] = Registry('permission prefix')


def register_permission_prefix(prefix: str, *, owner: str) -> None:
    """Reserve the names `<prefix>:…` for a feature.

    Not needed if the prefix is the name of the feature.

    :param owner: the module that reserves them: `__name__`.
    :raises RegistrationError: if the prefix is reserved already; the message names both modules.
    """
    _prefixes.register(prefix, feature_of(owner), owner=owner)


def register_permission(name: str, meaning: str, *, owner: str, default: bool = False) -> str:
    """Register a permission such as `users:read`, and return its name.

    :param meaning: a sentence about the operations that it allows.
    :param owner: the module that registers it: `__name__`. Its feature must own the prefix.
    :param default: whether every user holds it, because it only concerns their own data.
    :raises RegistrationError: if the name is registered already, or has the prefix of another
        feature; the message names both modules.
    """
    prefix, feature = name.partition(':')[0], feature_of(owner)
    if prefix == feature and prefix not in _prefixes.values:
        register_permission_prefix(prefix, owner=owner)
    if prefix not in _prefixes.values:
        raise RegistrationError(
            f'permission {name!r} of {owner} must begin with {feature!r} or a prefix that '
            f'{feature} has registered'
        )
    if _prefixes.values[prefix] != feature:
        raise RegistrationError(
            f'permission {name!r} of {owner} has the prefix of {_prefixes.owner_of(prefix)}'
        )
    _permissions.register(name, Permission(meaning, default, owner), owner=owner)
    return name


def registered_permissions() -> Mapping[str, Permission]:
    """Return all permissions, sorted by name."""
    return _permissions.values


def permission_descriptions() -> dict[str, str]:
    """Return the meaning of each permission, sorted by name."""
    return {name: found.meaning for name, found in _permissions.values.items()}


def permission_owners() -> dict[str, str]:
    """Return the module that registered each permission."""
    return {name: _permissions.owner_of(name) for name in _permissions.values}


def all_permissions() -> frozenset[str]:
    """Return the names of all permissions."""
    return frozenset(_permissions.values)


def default_permissions() -> frozenset[str]:
    """Return the names of the permissions that every user holds."""
    return frozenset(name for name, found in _permissions.values.items() if found.is_default)
