"""Streams whose first bytes arrive too late. `test_worker.py` tests other cases with sockets."""

from types import SimpleNamespace
from typing import Any

import pytest

from project.core.server.body_reader import Unreader
from project.core.server.polling_worker import PollingWorker
from project.core.server.request_state import RequestState

from .serving import post


class SmallWorker(PollingWorker):
    """A `PollingWorker` without sockets that records the requests instead of running them."""

    def __init__(self) -> None:
        self.ran: list[tuple[RequestState, bytes]] = []

    def run_request(self, conn: Any, state: RequestState, received: bytes) -> None:
        """Record the request instead of running it."""
        self.ran.append((state, received))


class TestRunLateStream:
    @pytest.mark.parametrize(('arrived', 'is_late'), [(1000 * 30, False), (1000 * 30 - 1, True)])
    def test_marks_a_body_that_is_too_slow(self, arrived: int, is_late: bool) -> None:
        conn = SimpleNamespace(parser=SimpleNamespace(unreader=Unreader(None)))
        held = post(1 << 20) + b'x' * arrived
        conn.parser.unreader.unread(held)
        worker = SmallWorker()

        worker._run_late_stream(conn)

        assert conn.is_late is is_late
        assert worker.ran == [(RequestState.STREAM, held)]
        assert conn.parser.unreader.take_buffered() == held
