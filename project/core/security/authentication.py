"""The functions with which the guard identifies callers.

One feature, `auth`, exports them as `authentication`. The application factory passes them to the
guard. So the guard protects all features, and neither the core nor other features import `auth`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .principal import Principal


class Authentication(NamedTuple):
    """How a feature identifies callers.

    `identify` returns the principal of a bearer token, or None. `reload_principal` returns the
    current state of a principal, or None if its credential or user is no longer valid.
    `lock_users` locks users, in the given order of their ids, until the transaction ends.
    """

    identify: Callable[[str], Principal | None]
    reload_principal: Callable[[Principal], Principal | None]
    lock_users: Callable[[Sequence[int]], None]


# The default, if no feature exports `authentication`: no token is valid, so all routes that are not
# public return 401.
NO_AUTHENTICATION = Authentication(lambda _: None, lambda _: None, lambda _: None)
