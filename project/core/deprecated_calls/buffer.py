"""Counts of requests in the memory of a process, before they are added to the table."""

import logging
import re
import threading
import time
from datetime import datetime

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from project.core.clock import now
from project.core.security.principal import Principal

from .rows import (
    ANONYMOUS,
    MAX_AGENT_CHARACTERS,
    MAX_AGENTS_PER_CALLER,
    OTHER_AGENTS,
    Call,
    add_requests,
)

log = logging.getLogger(__name__)

FLUSH_SECONDS = 10
# A process with counts of this number of callers writes them earlier.
MAX_BUFFERED_CALLERS = 500

# The first product of a User-Agent, such as `python-requests` in `python-requests/2.32`.
PRODUCT_PATTERN = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*', re.ASCII)
# Browsers name other browsers, too, so the order matters.
BROWSERS = {
    'Edg/': 'Edge', 'OPR/': 'Opera', 'Firefox/': 'Firefox', 'Chrome/': 'Chrome',
    'Safari/': 'Safari',
}  # fmt: skip


def caller_of(route: str, principal: Principal | None, user_agent: str) -> Call:
    """Return the key under which a request is counted.

    :param principal: the caller; None if it was not authenticated.
    """
    user_id = principal.user_id if principal else ANONYMOUS
    key_id = str(principal.key_id) if principal and principal.key_id else ''
    return Call(route, now().date(), user_id, key_id, agent_family(user_agent))


def agent_family(user_agent: str) -> str:
    """Return the kind of a client: `Firefox`, `curl` or `python-requests`, without its version.

    :returns: at most MAX_AGENT_CHARACTERS characters; `unknown` if the header is missing or begins
        with another character than a letter or a digit.
    """
    for part, name in BROWSERS.items():
        if user_agent.startswith('Mozilla/') and part in user_agent:
            return name
    match = PRODUCT_PATTERN.match(user_agent)
    return match[0][:MAX_AGENT_CHARACTERS] if match else 'unknown'


class CallBuffer:
    """The counts of this process that are not in the database yet."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._counts: dict[Call, tuple[int, datetime]] = {}
        self._agents: dict[Call, set[str]] = {}
        self._due_at = 0.0

    def add(self, call: Call) -> None:
        """Count a request.

        Like the table, the buffer limits the number of agents per caller. Otherwise anonymous
        requests with random agents would cause a statement each.
        """
        with self._lock:
            agents = self._agents.setdefault(call._replace(agent=''), set())
            if call.agent not in agents and len(agents) >= MAX_AGENTS_PER_CALLER:
                call = call._replace(agent=OTHER_AGENTS)
            agents.add(call.agent)
            requests = self._counts.get(call, (0, None))[0]
            self._counts[call] = requests + 1, now()

    def is_due(self) -> bool:
        """Return whether there are counts to write now."""
        if not self._counts:
            return False
        return time.monotonic() >= self._due_at or len(self._counts) >= MAX_BUFFERED_CALLERS

    def flush(self) -> None:
        """Add all counts to the table. If the database fails, the counts are lost, and logged.

        Concurrent calls write different counts.
        """
        with self._lock:
            counts, self._counts, self._agents = self._counts, {}, {}
            self._due_at = time.monotonic() + FLUSH_SECONDS
        if not counts:
            return
        with self._app.app_context():
            try:
                for call in sorted(counts):
                    add_requests(call, *counts[call])
            except SQLAlchemyError:
                log.warning('counts of deprecated routes are lost', exc_info=True)
