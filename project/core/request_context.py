"""Where the work at hand comes from: which request, whose address. Known to services, too."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestContext:
    """A request, a command or a task, as logs and security records name it."""

    request_id: str = '-'
    ip_address: str = ''
    user_agent: str = ''
    # In a task: whose share of its queue it takes. Tasks that it enqueues take the same.
    task_owner_id: int | None = None


NO_CONTEXT = RequestContext()

_context: ContextVar[RequestContext] = ContextVar('origin', default=NO_CONTEXT)


def current_request_context() -> RequestContext:
    """Return where the work at hand comes from."""
    return _context.get()


def set_request_context(context: RequestContext) -> None:
    """Say where the work that begins here comes from."""
    _context.set(context)
