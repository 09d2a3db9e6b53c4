"""The registry of permissions: each is declared by the feature that checks it, with a sentence.

A role is a named set of them, a route asks for one, an API key's scopes are among them.
"""

_descriptions: dict[str, str] = {}
_defaults: set[str] = set()


def register_permission(name: str, meaning: str, *, default: bool = False) -> str:
    """Declare a permission such as `users:read` and return its name.

    :param everybody: whether every user holds it, because it is about what is their own.
    """
    _descriptions[name] = meaning
    if default:
        _defaults.add(name)
    return name


def permission_descriptions() -> dict[str, str]:
    """Return every permission with what it allows, in the order of their names."""
    return dict(sorted(_descriptions.items()))


def all_permissions() -> frozenset[str]:
    """Return the names of all permissions."""
    return frozenset(_descriptions)


def default_permissions() -> frozenset[str]:
    """Return the names of the permissions that every user holds."""
    return frozenset(_defaults)
