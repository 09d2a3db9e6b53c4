"""The registry of permissions: each is declared by the feature that checks it, with a sentence.

A role is a named set of them, a route asks for one, an API key's scopes are among them.
"""

_declared: dict[str, str] = {}
_everybody: set[str] = set()


def declare(name: str, meaning: str, *, everybody: bool = False) -> str:
    """Declare a permission such as `users:read` and return its name.

    :param everybody: whether every user holds it, because it is about what is their own.
    """
    _declared[name] = meaning
    if everybody:
        _everybody.add(name)
    return name


def declared() -> dict[str, str]:
    """Return every permission with what it allows, in the order of their names."""
    return dict(sorted(_declared.items()))


def every_permission() -> frozenset[str]:
    """Return the names of all permissions."""
    return frozenset(_declared)


def for_everybody() -> frozenset[str]:
    """Return the names of the permissions that every user holds."""
    return frozenset(_everybody)
