"""Where the work at hand comes from: which request, whose address. Known to services, too."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """A request, a command or a task, as logs and security records name it."""

    request_id: str = '-'
    address: str = ''
    user_agent: str = ''


NOWHERE = Origin()

_origin: ContextVar[Origin] = ContextVar('origin', default=NOWHERE)


def current_origin() -> Origin:
    """Return where the work at hand comes from."""
    return _origin.get()


def set_origin(origin: Origin) -> None:
    """Say where the work that begins here comes from."""
    _origin.set(origin)
