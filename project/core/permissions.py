"""The registry of permissions: each is declared by the feature that checks it, with a sentence.

A role is a named set of them, a route asks for one, an API key's scopes are among them.
"""

_declared: dict[str, str] = {}
_everybody: frozenset[str] = frozenset()
_all: frozenset[str] = frozenset()


def declare(name: str, meaning: str, *, everybody: bool = False) -> str:
    """Declare a permission such as `users:read` and return its name.

    :param everybody: whether every user holds it, because it is about what is their own.
    """
    global _everybody, _all
    _declared[name] = meaning
    # Made here and not when asked: every request asks.
    _all = frozenset(_declared)
    _everybody |= {name} if everybody else frozenset()
    return name


def declared() -> dict[str, str]:
    """Return every permission with what it allows, in the order of their names."""
    return dict(sorted(_declared.items()))


def every_permission() -> frozenset[str]:
    """Return the names of all permissions."""
    return _all


def for_everybody() -> frozenset[str]:
    """Return the names of the permissions that every user holds."""
    return _everybody
