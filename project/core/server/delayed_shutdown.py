"""`SHUTDOWN_DELAY`: the time from SIGTERM until gunicorn's master closes the listeners."""

import signal
from types import FrameType
from typing import Any

from project.core.process_lifetime import announce_stop, is_stopping


def delay_shutdown(server: Any, seconds: int) -> None:
    """Make SIGTERM stop the service after a delay, during which `/readyz` returns 503.

    During the delay, a load balancer that queries `/readyz` stops sending requests. Requests that
    still arrive are served. A second SIGTERM ends the delay. The old workers of a reload (SIGHUP)
    stop without a delay, because the service continues.

    :param server: gunicorn's arbiter.
    :param seconds: the delay; with 0, SIGTERM keeps its normal effect.
    """
    if not seconds:
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.SIG_QUEUE.put_nowait(signal.SIGTERM)

    def handle_term() -> None:
        if is_stopping():
            raise StopIteration  # gunicorn's own way to stop.
        announce_stop()
        server.log.info('The service is not ready; its listeners close in %d s', seconds)
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    server.handle_term = handle_term
