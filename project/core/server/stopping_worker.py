"""How a worker stops: no new connections, a bounded time for the running requests, then the end."""

import os
import signal
from contextlib import suppress
from queue import SimpleQueue
from types import FrameType
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from project.core.processes import signal_at_parent_exit

from .delayed_shutdown import delay_shutdown

# Seconds for running requests after the master has died without a word (SIGKILL). Less than the ten
# after which operators may take the port and the processes for free.
ORPHAN_GRACE_SECONDS = 6
# Seconds after which the kernel ends such a worker, whatever its threads do.
ORPHAN_LIFETIME_SECONDS = 8


class StoppingWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker that closes its listeners at once, and does not outlive its master."""

    delay_shutdown = staticmethod(delay_shutdown)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin without signals."""
        super().__init__(*args, **kwargs)
        #: Signals that arrived before this process handled signals itself.
        self.pending_signals: SimpleQueue[int] = SimpleQueue()

    def init_signals(self) -> None:
        """Handle signals, also one that arrived while the handlers were those of the master.

        gunicorn would ignore it, and wait for this worker until `graceful_timeout` is over.
        """
        super().init_signals()
        signal_at_parent_exit(signal.SIGTERM)
        while not self.pending_signals.empty():
            if self.pending_signals.get() in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
                self.alive = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; the signal is from the master, or from the kernel at the master's end."""
        if os.getppid() != self.ppid:
            self._limit_lifetime()
        super().handle_exit(sig, frame)

    def is_parent_alive(self) -> bool:
        """Return whether the master lives; begin to stop if it does not."""
        if super().is_parent_alive():
            return True
        self._limit_lifetime()
        self.alive = False
        return False

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections or not; a worker that stops closes its listeners.

        The kernel would go on to accept connections for a listener that is open in any process, and
        their clients would wait for an answer that no process gives.
        """
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            self.close_listeners()

    def close_listeners(self) -> None:
        """Accept the connections that the kernel has accepted, then close the listeners."""
        for listener in list(self.sockets):
            self._accept_all(listener)
            listener.close()
        self.sockets: list[Any] = []

    def _accept_all(self, listener: Any) -> None:
        # Closing resets connections that are not accepted; their requests may have been sent.
        before = -1
        with suppress(OSError):
            while before != self.nr_conns:
                before = self.nr_conns
                self.accept(listener)

    def _limit_lifetime(self) -> None:
        """End this process within `ORPHAN_LIFETIME_SECONDS`, whatever its threads wait for."""
        self.cfg.set('graceful_timeout', ORPHAN_GRACE_SECONDS)
        # The default action of the signal: it needs neither the interpreter nor another thread.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        if not signal.getitimer(signal.ITIMER_REAL)[0]:
            signal.setitimer(signal.ITIMER_REAL, ORPHAN_LIFETIME_SECONDS)
