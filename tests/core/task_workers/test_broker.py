"""The broker: it carries the ids of tasks; the tasks themselves stay in the database."""

from threading import Event, Thread
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from pika.exceptions import StreamLostError

from project.core.task_workers import broker as broker_module
from project.core.task_workers.broker import BrokerUnavailable, TaskBroker


@pytest.fixture
def broker(monkeypatch):
    """Return a broker in memory, which replaces Redis and RabbitMQ in every `TaskBroker`."""
    stub = StubBroker(middleware=[])
    monkeypatch.setattr(broker_module, '_broker', lambda _url: stub)
    monkeypatch.setattr(
        broker_module, '_counter', lambda _broker: lambda name: stub.queues[name].qsize()
    )
    return stub


class TestTaskBroker:
    @pytest.mark.parametrize(
        ('url', 'kind'),
        [
            ('redis://127.0.0.1:1/0', RedisBroker),
            ('rediss://127.0.0.1:1/0', RedisBroker),
            ('amqp://127.0.0.1:1', RabbitmqBroker),
            ('amqps://127.0.0.1:1', RabbitmqBroker),
        ],
    )
    def test_chooses_the_broker_by_url_and_connects_lazily(self, url, kind):
        made = TaskBroker(url)

        assert isinstance(made._broker, kind)
        assert made._broker.middleware == []


class TestSend:
    def test_sends_only_the_id(self, broker):
        task_id = uuid4()

        TaskBroker('stub:').send('mail', task_id)

        queue = broker.queues['tasks-mail']
        assert queue.qsize() == 1
        assert str(task_id) in queue.get().decode()

    @pytest.mark.parametrize(
        'url', ['redis://:s3cret@127.0.0.1:1/0', 'amqp://a:s3cret@127.0.0.1:1']
    )
    def test_raises_without_the_password_when_the_broker_is_unreachable(self, url):
        with pytest.raises(BrokerUnavailable) as error:
            TaskBroker(url).send('mail', uuid4())

        assert 's3cret' not in str(error.value)


class TestQueueSize:
    def test_counts_tasks_that_no_worker_has_received(self, broker):
        made = TaskBroker('stub:')
        assert made.queue_size('mail') == 0

        for _ in range(3):
            made.send('mail', uuid4())
        assert made.queue_size('mail') == 3

        broker.queues['tasks-mail'].get()
        assert made.queue_size('mail') == 2

    @pytest.mark.parametrize(
        'url', ['redis://:s3cret@127.0.0.1:1/0', 'amqp://a:s3cret@127.0.0.1:1']
    )
    def test_raises_without_the_password_when_the_broker_is_unreachable(self, url):
        made = TaskBroker(url)

        for _ in range(2):
            with pytest.raises(BrokerUnavailable) as error:
                made.queue_size('mail')
            assert 's3cret' not in str(error.value)

    def test_counts_the_ready_messages_of_rabbitmq(self):
        class Rabbit:
            def get_queue_message_counts(self, queue):
                assert queue == 'tasks'
                return 3, 5, 7

        assert broker_module._counter(Rabbit())('tasks') == 3

    def test_counts_the_waiting_messages_of_redis(self):
        class Redis:
            def do_qsize(self, queue):
                assert queue == 'tasks'
                return 3

        assert broker_module._counter(Redis())('tasks') == 3

    def test_reconnects_to_rabbitmq_after_a_lost_connection(self):
        class Rabbit:
            def get_queue_message_counts(self, _queue):
                if 'connection' in vars(self):
                    raise StreamLostError
                return 3, 0, 0

        rabbit = Rabbit()
        rabbit.connection = 'a lost one'

        assert broker_module._counter(rabbit)('tasks') == 3


class TestWithTimeouts:
    def test_sets_timeouts_in_the_url(self):
        assert broker_module._with_timeouts('amqp://a:b@host:5672/vhost') == (
            'amqp://a:b@host:5672/vhost?blocked_connection_timeout=10&socket_timeout=10'
        )

    def test_keeps_the_timeouts_in_the_url(self):
        patient = broker_module._with_timeouts('amqp://host/?socket_timeout=3&heartbeat=30')

        assert dict(parse_qsl(urlsplit(patient).query)) == {
            'blocked_connection_timeout': '10', 'socket_timeout': '3', 'heartbeat': '30',
        }  # fmt: skip

    def test_applies_to_connections_to_rabbitmq(self):
        parameters = TaskBroker('amqp://127.0.0.1:1')._broker.parameters

        assert parameters.blocked_connection_timeout == 10
        assert parameters.socket_timeout == 10


class TestConsume:
    @pytest.fixture(autouse=True)
    def idle_milliseconds(self, monkeypatch):
        """Check every 20 ms, instead of every second, whether the worker must stop."""
        monkeypatch.setattr(broker_module, 'IDLE_MILLISECONDS', 20)

    def test_handles_the_received_ids_until_it_must_stop(self, broker):
        received, stopping, ids = [], Event(), [uuid4(), uuid4()]
        made = TaskBroker('stub:')

        def handle(task_id):
            received.append(task_id)
            if len(received) == len(ids):
                stopping.set()

        for task_id in ids:
            made.send('mail', task_id)
        thread = Thread(target=made.consume, args=('mail', handle, stopping.wait))
        thread.start()
        thread.join(10)

        assert not thread.is_alive()
        assert received == [str(task_id) for task_id in ids]

    def test_ignores_the_ids_of_other_queues(self, broker):
        received, stopping, mine, other = [], Event(), uuid4(), uuid4()
        made = TaskBroker('stub:')

        def handle(task_id):
            received.append(task_id)
            stopping.set()

        made.send('slow', other)
        made.send('mail', mine)
        made.consume('mail', handle, stopping.wait)

        assert received == [str(mine)]
        assert made.queue_size('slow') == 1

    def test_acknowledges_an_id_only_after_it_was_handled(self, broker):
        unfinished, stopping = [], Event()
        made = TaskBroker('stub:')

        def handle(_task_id):
            unfinished.append(broker.queues['tasks-mail'].unfinished_tasks)
            stopping.set()

        made.send('mail', uuid4())
        made.consume('mail', handle, stopping.wait)

        assert unfinished == [1]
        assert broker.queues['tasks-mail'].unfinished_tasks == 0
