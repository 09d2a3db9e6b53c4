"""The request context: id, IP address and user agent of the current request, command or task.

Services read it instead of Flask's `request`, which they must not import.
"""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Data about the current request, command or task, for logs and security events."""

    request_id: str = '-'
    ip_address: str = ''
    user_agent: str = ''
    # In a task: the id of the user who owns the task. The queue limits the running tasks per owner.
    # Tasks that this task enqueues have the same owner.
    task_owner_id: int | None = None


NO_CONTEXT = RequestContext()

_context: ContextVar[RequestContext] = ContextVar('request_context', default=NO_CONTEXT)


def current_request_context() -> RequestContext:
    """Return the context of the current request, command or task."""
    return _context.get()


def set_request_context(context: RequestContext) -> None:
    """Set the context of a request, command or task when it begins."""
    _context.set(context)
