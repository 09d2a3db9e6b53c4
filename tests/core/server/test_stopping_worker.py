"""Shutdown of a real gunicorn with the project's worker class.

Its connections are new, idle, waiting, or have a running request.
"""

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from .serving import Client, Service, get, post, small_service

pytestmark = pytest.mark.servers

HALF_HEAD = b'GET /healthz HTTP/1.1\r\nHost: loc'
# On a busy machine, all workers need less than this to close their listeners.
CLOSING_SECONDS = 1


def seconds_until_closed(port: int) -> float:
    """Wait until no process listens on a port; return the seconds that this took."""
    began = time.monotonic()
    while time.monotonic() < began + 10:
        try:
            Client(port).close()
        except ConnectionError:
            return time.monotonic() - began
        time.sleep(0.01)
    raise AssertionError('connections are still accepted')


class TestHandleExit:
    @pytest.mark.slow('gunicorn waits for clients when it ends')
    def test_closes_the_listener_at_once_and_completes_the_running_request(self) -> None:
        with ExitStack() as stack, small_service() as service:
            idle = stack.enter_context(Client(service.port))
            assert idle.ask(get()).status == 200
            for _ in range(20):
                stack.enter_context(Client(service.port)).send(HALF_HEAD)
            running = stack.enter_context(Client(service.port))
            running.send(get(f'/slow?seconds={CLOSING_SECONDS}'))
            time.sleep(0.1)
            service.process.terminate()

            assert seconds_until_closed(service.port) < CLOSING_SECONDS
            assert running.answer().body == b'at last'
            assert idle.is_closed()
            service.process.wait(5)

    @pytest.mark.servers
    def test_returns_503_for_incomplete_bodies(self) -> None:
        with ExitStack() as stack, small_service() as service:
            clients = [stack.enter_context(Client(service.port)) for _ in range(2)]
            for client, length in zip(clients, (1000, 1_000_000), strict=True):
                client.send(post(length) + b'x')
            time.sleep(0.1)
            service.process.terminate()

            assert [client.answer().status for client in clients] == [503, 503]

    @pytest.mark.servers
    def test_serves_connections_that_only_the_kernel_has_accepted(self) -> None:
        # SIGSTOP has paused the worker: it accepts no connection before it receives SIGTERM.
        with ExitStack() as stack, small_service() as service:
            assert stack.enter_context(Client(service.port)).ask(get()).status == 200
            [worker] = workers(service)
            os.kill(worker, signal.SIGSTOP)
            clients = [stack.enter_context(Client(service.port)) for _ in range(5)]
            for client in clients:
                client.send(get())
            service.process.terminate()
            time.sleep(0.3)
            os.kill(worker, signal.SIGCONT)

            assert [client.answer().status for client in clients] == [200] * 5


def workers(service: Service) -> list[int]:
    """Return the process ids of gunicorn's workers."""
    pid = service.process.pid
    return [int(word) for word in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]
