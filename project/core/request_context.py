"""The request context: id, IP address and user agent of the current request, command or task.

Services can read it, too, without importing Flask's `request`.
"""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The current request, command or task, for logs and security events."""

    request_id: str = '-'
    ip_address: str = ''
    user_agent: str = ''
    # In a task: the id of the owner whose share of the queue the task uses. The tasks that this
    # task enqueues have the same owner.
    task_owner_id: int | None = None


NO_CONTEXT = RequestContext()

_context: ContextVar[RequestContext] = ContextVar('request_context', default=NO_CONTEXT)


def current_request_context() -> RequestContext:
    """Return the context of the current request, command or task."""
    return _context.get()


def set_request_context(context: RequestContext) -> None:
    """Set the context of the request, command or task that begins."""
    _context.set(context)
