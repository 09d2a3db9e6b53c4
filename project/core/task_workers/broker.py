"""The broker: dramatiq sends the ids of tasks over Redis or RabbitMQ to workers on other machines.

dramatiq only transports ids, without any of its middleware: the outbox manages attempts, delays,
limits and dead letters. An id that gets lost is sent again. An id that arrives a second time has no
effect, because the task is done or claimed already.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from project.core.tasks.registry import QUEUES, Queue

SHUTDOWN_GRACE_MS = 20_000  # for the running task when the service stops
IDLE_MILLISECONDS = 1000  # between two checks whether to stop, while the queue is empty


class BrokerUnavailable(Exception):
    """A broker that cannot be reached or does not accept messages."""


class TaskBroker:
    """A connection to a broker. It does not survive a fork: each process creates its own."""

    def __init__(self, url: str) -> None:
        # Imported here: most services have no broker and need not load its libraries.
        from dramatiq.errors import BrokerError
        from pika.adapters.utils.connection_workflow import (  # type: ignore[import-untyped]
            AMQPConnectorException,
        )
        from pika.exceptions import AMQPError  # type: ignore[import-untyped]
        from redis.exceptions import RedisError

        # dramatiq does not convert all errors to BrokerError. It raises errors of Redis if it sends
        # an id, and all errors if it counts ids.
        self._connection_errors = (BrokerError, RedisError, AMQPError, AMQPConnectorException)
        self._broker = _broker(url)
        self._count = _counter(self._broker)
        self._handle: Callable[[str], None] | None = None
        self._actors = {queue: self._declare(queue) for queue in QUEUES}

    def send(self, queue: Queue, task_id: UUID) -> None:
        """Send a task id to the broker.

        :raises BrokerUnavailable: if the broker does not accept the id.
        """
        try:
            self._actors[queue].send(str(task_id))
        except (*self._connection_errors, OSError) as error:
            raise BrokerUnavailable(type(error).__name__) from error

    def queue_size(self, queue: Queue) -> int:
        """Return how many task ids of a queue are in the broker and not received by a worker.

        :raises BrokerUnavailable: if the broker does not answer.
        """
        try:
            return int(self._count(broker_queue(queue)))
        except (*self._connection_errors, OSError) as error:
            raise BrokerUnavailable(type(error).__name__) from error

    def consume(
        self, queue: Queue, handle: Callable[[str], None], wait: Callable[[], object]
    ) -> None:
        """Receive the ids of a queue until `wait` returns; call `handle` with each, one at a time.

        A message is acknowledged to the broker only after `handle` has returned.

        :param wait: a function that returns when this process must end.
        """
        from dramatiq import Worker

        self._handle = handle
        worker = Worker(
            self._broker,
            queues={broker_queue(queue)},
            worker_threads=1,
            worker_timeout=IDLE_MILLISECONDS,
        )
        # Receive one id at a time. A further id would wait behind a slow task although other
        # workers are idle.
        worker.queue_prefetch = 1
        worker.start()
        wait()
        worker.stop(SHUTDOWN_GRACE_MS)

    def _declare(self, queue: Queue) -> Any:
        from dramatiq import actor

        @actor(broker=self._broker, queue_name=broker_queue(queue), actor_name=f'attempt-{queue}')
        def attempt(task_id: str) -> None:
            assert self._handle is not None  # noqa: S101 - consume() has set it
            self._handle(task_id)

        return attempt


def validate_broker_url(url: str) -> None:
    """Ensure that the library of a broker can parse its URL, without connecting.

    :raises Exception: any exception of the library, if it cannot parse the URL.
    """
    _broker(url)


def broker_queue(queue: Queue) -> str:
    """Return the name of a queue in the broker."""
    return f'tasks-{queue}'


def _broker(url: str) -> Any:
    if urlsplit(url).scheme in ('redis', 'rediss'):
        from dramatiq.brokers.redis import RedisBroker

        return RedisBroker(url=url, middleware=[])  # type: ignore[no-untyped-call]
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

    return RabbitmqBroker(url=_with_timeouts(url), middleware=[], confirm_delivery=True)


def _with_timeouts(url: str) -> str:
    """Return the URL with timeouts.

    Without them, a sender would wait forever while the memory of RabbitMQ is low.
    """
    parts = urlsplit(url)
    known = {
        'blocked_connection_timeout': '10',
        'socket_timeout': '10',
        **dict(parse_qsl(parts.query)),
    }
    return parts._replace(query=urlencode(known)).geturl()


def _counter(broker: Any) -> Callable[[str], int]:
    """Return a function that returns the number of messages in a queue of this broker."""
    if hasattr(broker, 'get_queue_message_counts'):
        return partial(_count_in_rabbitmq, broker)
    return lambda queue: int(broker.do_qsize(queue))


def _count_in_rabbitmq(broker: Any, queue: str) -> int:
    from pika.exceptions import AMQPError

    try:
        return int(broker.get_queue_message_counts(queue)[0])
    except AMQPError:
        # RabbitMQ closes connections that were idle for too long. dramatiq reconnects by itself
        # when it sends, but not when it counts.
        del broker.connection
        return int(broker.get_queue_message_counts(queue)[0])
