"""`SHUTDOWN_DELAY`: the time between SIGTERM and the end of the listeners, in gunicorn's master."""

import signal
from types import FrameType
from typing import Any

from project.core.process_lifetime import announce_stop, is_stopping


def delay_shutdown(server: Any, seconds: int) -> None:
    """Let SIGTERM make the service unready at once, and stop it after a delay.

    A load balancer that asks `/readyz` sends no more requests in the meantime; those that it sends
    are served. A second SIGTERM ends the delay. Workers of an older generation (SIGHUP) do not
    wait: their service goes on.

    :param server: gunicorn's arbiter.
    """
    if not seconds:
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.SIG_QUEUE.put_nowait(signal.SIGTERM)

    def handle_term() -> None:
        if is_stopping():
            raise StopIteration  # gunicorn's own way to stop.
        announce_stop()
        server.log.info('Not ready from now on; closing the listeners in %d s', seconds)
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    server.handle_term = handle_term
