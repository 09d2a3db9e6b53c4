"""A worker that stops within a time limit: it accepts no connections and ends its requests.

It also stops if its master dies.
"""

import os
import signal
from contextlib import suppress
from queue import SimpleQueue
from types import FrameType
from typing import Any

from gunicorn.workers import gthread

from project.core.processes import signal_at_parent_exit

from .delayed_shutdown import delay_shutdown

# After the master was killed (SIGKILL), running requests have this number of seconds. It is less
# than the ten seconds after which operators may assume that the port is free and the processes have
# ended.
ORPHAN_GRACE_SECONDS = 6
# Seconds after the death of the master after which the kernel kills the worker, even if its threads
# are blocked.
ORPHAN_LIFETIME_SECONDS = 8

# Untyped, because gunicorn has no types. pyright contains type stubs of gunicorn 26. They lack some
# methods, and the attributes that `Connection` adds to gunicorn's `TConn`.
ThreadWorker: Any = gthread.ThreadWorker


class StoppingWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker that closes its listeners when it stops, and ends soon after its master."""

    delay_shutdown = staticmethod(delay_shutdown)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Create a worker. `post_fork` sets `pending_signals` later."""
        super().__init__(*args, **kwargs)
        #: Signals that arrived before this process installed its own handlers.
        self.pending_signals: SimpleQueue[int] = SimpleQueue()

    def init_signals(self) -> None:
        """Install the signal handlers of the worker, and handle the signals that arrived before.

        Before this call, the process has the handlers of the master. gunicorn would ignore a signal
        that arrives then, and wait for this worker until `graceful_timeout` has passed.
        """
        super().init_signals()
        signal_at_parent_exit(signal.SIGTERM)
        while not self.pending_signals.empty():
            if self.pending_signals.get() in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
                self.alive = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop this worker, when it receives a signal.

        The master sends the signal; if the master has died, the kernel sends it.
        """
        if os.getppid() != self.ppid:
            self._limit_lifetime()
        super().handle_exit(sig, frame)

    def is_parent_alive(self) -> bool:
        """Return whether the master is alive; if it is not, begin to stop."""
        if super().is_parent_alive():
            return True
        self._limit_lifetime()
        self.alive = False
        return False

    def set_accept_enabled(self, enabled: bool) -> None:
        """Enable or disable the acceptance of connections; a stopping worker closes its listeners.

        While a process has a listener open, the kernel accepts connections to the port, even if
        this process accepts none of them. The clients of such connections would never get a
        response.
        """
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            self.close_listeners()

    def close_listeners(self) -> None:
        """Accept the connections that are waiting in the kernel, then close the listeners."""
        for listener in list(self.sockets):
            self._accept_all(listener)
            listener.close()
        self.sockets: list[Any] = []

    def _accept_all(self, listener: Any) -> None:
        # Closing a listener resets the connections that this process has not accepted yet. Their
        # clients may have sent requests already.
        before = -1
        with suppress(OSError):
            while before != self.nr_conns:
                before = self.nr_conns
                self.accept(listener)

    def _limit_lifetime(self) -> None:
        """End this process within `ORPHAN_LIFETIME_SECONDS`, even if its threads block."""
        self.cfg.set('graceful_timeout', ORPHAN_GRACE_SECONDS)
        # The default action of the signal kills the process even if the interpreter is blocked.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        if not signal.getitimer(signal.ITIMER_REAL)[0]:
            signal.setitimer(signal.ITIMER_REAL, ORPHAN_LIFETIME_SECONDS)
