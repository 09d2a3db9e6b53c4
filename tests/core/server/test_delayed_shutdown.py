"""Delayed shutdown: after SIGTERM, gunicorn's master first reports that it is unready.

It stops its workers only after a delay.
"""

import logging
import signal
from collections.abc import Iterator
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from project.core import process_lifetime
from project.core.server.delayed_shutdown import delay_shutdown


@pytest.fixture(autouse=True)
def no_stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reset the state "the process stops" before each test, and the timer after it."""
    monkeypatch.setattr(process_lifetime, '_is_stopping', bytearray(1))
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def server() -> SimpleNamespace:
    """Return a fake of gunicorn's master (its class is `Arbiter`)."""
    return SimpleNamespace(SIG_QUEUE=SimpleQueue(), log=logging.getLogger(__name__))


class TestDelayShutdown:
    def test_announces_the_stop_and_signals_again_after_the_delay(
        self, server: SimpleNamespace
    ) -> None:
        delay_shutdown(server, 30)

        server.handle_term()

        assert process_lifetime.is_stopping()
        assert 29 < signal.getitimer(signal.ITIMER_REAL)[0] <= 30
        signal.raise_signal(signal.SIGALRM)
        assert server.SIG_QUEUE.get_nowait() == signal.SIGTERM

    def test_stops_at_the_second_signal(self, server: SimpleNamespace) -> None:
        delay_shutdown(server, 30)
        server.handle_term()

        with pytest.raises(StopIteration):
            server.handle_term()

    def test_changes_nothing_without_a_delay(self, server: SimpleNamespace) -> None:
        delay_shutdown(server, 0)

        assert not hasattr(server, 'handle_term')
