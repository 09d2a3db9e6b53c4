"""The broker: dramatiq, which carries the ids of tasks over a broker to workers on many machines.

It is a carrier and nothing else: attempts, delays, limits and dead letters are the outbox's, so
none of dramatiq's middleware is used. What it loses is handed out again, what it brings twice is
found to be taken.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from project.core.tasks.registry import QUEUES, Queue

SHUTDOWN_GRACE_MS = 20_000  # milliseconds for what runs when the service ends
IDLE_MILLISECONDS = 1000  # between two looks whether to stop, while nothing is brought


class BrokerUnavailable(Exception):
    """The broker cannot be reached, or takes nothing."""


class TaskBroker:
    """A connection to a broker; made in the process that uses it, for none survives a fork."""

    def __init__(self, url: str) -> None:
        # Late: most services have no broker, and need not wait for its libraries.
        from dramatiq.errors import BrokerError
        from pika.adapters.utils.connection_workflow import (  # type: ignore[import-untyped]
            AMQPConnectorException,
        )
        from pika.exceptions import AMQPError  # type: ignore[import-untyped]
        from redis.exceptions import RedisError

        # A Redis that is away dramatiq does not turn into an error of its own when it sends, and
        # neither of them when it counts.
        self._down = (BrokerError, RedisError, AMQPError, AMQPConnectorException)
        self._broker = _broker(url)
        self._count = _counter(self._broker)
        self._handle: Callable[[str], None] | None = None
        self._actors = {queue: self._declare(queue) for queue in QUEUES}

    def send(self, queue: Queue, task_id: UUID) -> None:
        """Send a task id to the broker.

        :raises BrokerUnavailable: if the broker does not take it.
        """
        try:
            self._actors[queue].send(str(task_id))
        except (*self._down, OSError) as error:
            raise BrokerUnavailable(type(error).__name__) from error

    def queue_size(self, queue: Queue) -> int:
        """Return the number of ids of a queue in the broker that no worker has received.

        :raises BrokerUnavailable: if the broker does not answer.
        """
        try:
            return int(self._count(broker_queue(queue)))
        except (*self._down, OSError) as error:
            raise BrokerUnavailable(type(error).__name__) from error

    def consume(
        self, queue: Queue, handle: Callable[[str], None], wait: Callable[[], object]
    ) -> None:
        """Call `handle` with each id of a queue, one at a time, until `wait` returns.

        A message is acknowledged when `handle` is done with it, and not before.
        """
        from dramatiq import Worker

        self._handle = handle
        worker = Worker(
            self._broker,
            queues={broker_queue(queue)},
            worker_threads=1,
            worker_timeout=IDLE_MILLISECONDS,
        )
        # What is fetched ahead would wait behind a slow task although others are free.
        worker.queue_prefetch = 1
        worker.start()
        wait()
        worker.stop(SHUTDOWN_GRACE_MS)

    def _declare(self, queue: Queue) -> Any:
        from dramatiq import actor

        @actor(broker=self._broker, queue_name=broker_queue(queue), actor_name=f'attempt-{queue}')
        def attempt(task_id: str) -> None:
            assert self._handle is not None  # noqa: S101 - who only sends is never called
            self._handle(task_id)

        return attempt


def validate_broker_url(url: str) -> None:
    """Raise the error of a library that cannot read the URL of a broker. Does not connect."""
    _broker(url)


def broker_queue(queue: Queue) -> str:
    """Return the name that a queue has in the broker."""
    return f'tasks-{queue}'


def _broker(url: str) -> Any:
    if urlsplit(url).scheme in ('redis', 'rediss'):
        from dramatiq.brokers.redis import RedisBroker

        return RedisBroker(url=url, middleware=[])  # type: ignore[no-untyped-call]
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

    return RabbitmqBroker(url=_patient(url), middleware=[], confirm_delivery=True)


def _patient(url: str) -> str:
    """Have RabbitMQ waited for so long and no longer: when its memory is short it is silent."""
    parts = urlsplit(url)
    known = {
        'blocked_connection_timeout': '10',
        'socket_timeout': '10',
        **dict(parse_qsl(parts.query)),
    }
    return parts._replace(query=urlencode(known)).geturl()


def _counter(broker: Any) -> Callable[[str], int]:
    """Return what counts the messages of a queue; brokers have it under different names."""
    if hasattr(broker, 'get_queue_message_counts'):
        return partial(_count_in_rabbitmq, broker)
    return lambda queue: int(broker.do_qsize(queue))


def _count_in_rabbitmq(broker: Any, queue: str) -> int:
    from pika.exceptions import AMQPError

    try:
        return int(broker.get_queue_message_counts(queue)[0])
    except AMQPError:
        # Who was silent for too long was hung up on. To send, dramatiq connects anew by itself.
        del broker.connection
        return int(broker.get_queue_message_counts(queue)[0])
