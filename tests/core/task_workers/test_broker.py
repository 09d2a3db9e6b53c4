"""The engine, which carries the ids of tasks and nothing else."""

from threading import Event, Thread
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from pika.exceptions import StreamLostError

from project.core.task_workers import broker as engine
from project.core.task_workers.broker import BrokerUnavailable, TaskBroker


@pytest.fixture
def broker(monkeypatch):
    """Return a broker in this process, to which every engine is connected."""
    stub = StubBroker(middleware=[])
    monkeypatch.setattr(engine, '_broker', lambda _url: stub)
    monkeypatch.setattr(engine, '_counter', lambda _broker: lambda name: stub.queues[name].qsize())
    return stub


class TestBroker:
    @pytest.mark.parametrize(
        ('url', 'kind'),
        [
            ('redis://127.0.0.1:1/0', RedisBroker),
            ('rediss://127.0.0.1:1/0', RedisBroker),
            ('amqp://127.0.0.1:1', RabbitmqBroker),
            ('amqps://127.0.0.1:1', RabbitmqBroker),
        ],
    )
    def test_connects_late_to_what_its_address_says(self, url, kind):
        made = TaskBroker(url)

        assert isinstance(made._broker, kind)
        assert made._broker.middleware == []


class TestSend:
    def test_hands_over_the_id_and_nothing_else(self, broker):
        task_id = uuid4()

        TaskBroker('stub:').send('mail', task_id)

        queue = broker.queues['tasks-mail']
        assert queue.qsize() == 1
        assert str(task_id) in queue.get().decode()

    @pytest.mark.parametrize(
        'url', ['redis://:s3cret@127.0.0.1:1/0', 'amqp://a:s3cret@127.0.0.1:1']
    )
    def test_rejects_where_nobody_is_there(self, url):
        with pytest.raises(BrokerUnavailable) as refusal:
            TaskBroker(url).send('mail', uuid4())

        assert 's3cret' not in str(refusal.value)


class TestDepth:
    def test_counts_what_nobody_has_begun(self, broker):
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
    def test_rejects_where_nobody_is_there(self, url):
        made = TaskBroker(url)

        for _ in range(2):
            with pytest.raises(BrokerUnavailable) as refusal:
                made.queue_size('mail')
            assert 's3cret' not in str(refusal.value)

    def test_asks_rabbitmq_for_those_that_wait(self):
        class Rabbit:
            def get_queue_message_counts(self, queue):
                assert queue == 'tasks'
                return 3, 5, 7

        assert engine._counter(Rabbit())('tasks') == 3

    def test_asks_redis_for_those_that_wait(self):
        class Redis:
            def do_qsize(self, queue):
                assert queue == 'tasks'
                return 3

        assert engine._counter(Redis())('tasks') == 3

    def test_connects_anew_to_a_rabbitmq_that_has_hung_up(self):
        class Rabbit:
            def get_queue_message_counts(self, _queue):
                if 'connection' in vars(self):
                    raise StreamLostError
                return 3, 0, 0

        rabbit = Rabbit()
        rabbit.connection = 'a lost one'

        assert engine._counter(rabbit)('tasks') == 3


class TestPatient:
    def test_waits_for_so_long_and_no_longer(self):
        assert engine._patient('amqp://a:b@host:5672/vhost') == (
            'amqp://a:b@host:5672/vhost?blocked_connection_timeout=10&socket_timeout=10'
        )

    def test_gives_way_to_what_the_url_says(self):
        patient = engine._patient('amqp://host/?socket_timeout=3&heartbeat=30')

        assert dict(parse_qsl(urlsplit(patient).query)) == {
            'blocked_connection_timeout': '10', 'socket_timeout': '3', 'heartbeat': '30',
        }  # fmt: skip

    def test_is_what_rabbitmq_is_asked_with(self):
        parameters = TaskBroker('amqp://127.0.0.1:1')._broker.parameters

        assert parameters.blocked_connection_timeout == 10
        assert parameters.socket_timeout == 10


class TestWork:
    @pytest.fixture(autouse=True)
    def idle_milliseconds(self, monkeypatch):
        """Stop sooner than after a second."""
        monkeypatch.setattr(engine, 'IDLE_MILLISECONDS', 20)

    def test_does_what_is_brought_until_it_is_to_stop(self, broker):
        brought, stopping, ids = [], Event(), [uuid4(), uuid4()]
        made = TaskBroker('stub:')

        def handle(task_id):
            brought.append(task_id)
            if len(brought) == len(ids):
                stopping.set()

        for task_id in ids:
            made.send('mail', task_id)
        thread = Thread(target=made.consume, args=('mail', handle, stopping.wait))
        thread.start()
        thread.join(10)

        assert not thread.is_alive()
        assert brought == [str(task_id) for task_id in ids]

    def test_leaves_the_ids_of_other_queues(self, broker):
        brought, stopping, mine, other = [], Event(), uuid4(), uuid4()
        made = TaskBroker('stub:')

        def handle(task_id):
            brought.append(task_id)
            stopping.set()

        made.send('slow', other)
        made.send('mail', mine)
        made.consume('mail', handle, stopping.wait)

        assert brought == [str(mine)]
        assert made.queue_size('slow') == 1

    def test_acknowledges_what_is_done_and_not_before(self, broker):
        unfinished, stopping = [], Event()
        made = TaskBroker('stub:')

        def handle(_task_id):
            unfinished.append(broker.queues['tasks-mail'].unfinished_tasks)
            stopping.set()

        made.send('mail', uuid4())
        made.consume('mail', handle, stopping.wait)

        assert unfinished == [1]
        assert broker.queues['tasks-mail'].unfinished_tasks == 0
