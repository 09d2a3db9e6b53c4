"""The whole crew: started, told to end, and gone with whoever started it."""

import ctypes
import os
import signal
from datetime import timedelta
from multiprocessing import active_children

import pytest

from project.core.task_workers import (
    background_task_workers,
    dispatcher,
    run_task_workers,
    run_until_signal,
    runs_tasks_in_process,
    worker,
    worker_queues,
)
from project.core.task_workers.worker_slot import FORK
from project.core.tasks import task

from ..outbox import enqueue_committed, row_of, rows
from .process_sync import Line, until


@pytest.fixture
def line():
    """A line to processes that are not our own children."""
    return Line()


@pytest.fixture
def received(own_app, line):
    """Have a task wait that says on the line that somebody works."""
    enqueue_committed(task(name='say')(line.say))


class TestInitApp:
    def test_leaves_where_gunicorn_finds_it_what_its_worker_does(self, own_app):
        enqueue_committed(task(name='nothing')(lambda: None))

        own_app.extensions['run_task_workers'](until(lambda: not rows()))


class TestServeTasks:
    def test_works_the_outbox_off_with_so_many_workers(self, own_app, tmp_path):
        def run():
            (tmp_path / str(os.getpid())).mkdir()
            while len([path for path in tmp_path.iterdir() if path.is_dir()]) < 2:
                os.sched_yield()

        both = task(name='both')(run)
        enqueue_committed(both)
        enqueue_committed(both)

        # Each waits for the other, so there are two.
        run_task_workers(own_app, until(lambda: not rows()), concurrency=2)

    def test_buries_a_poison_and_does_what_is_healthy(self, own_app):
        def kill():
            os.kill(os.getpid(), signal.SIGKILL)

        poison = task(name='poison', attempts=2, backoff=timedelta(milliseconds=10))(kill)
        healthy = task(name='healthy')(lambda: None)
        found = enqueue_committed(poison)
        enqueue_committed(healthy)

        run_task_workers(
            own_app,
            until(lambda: [row.state for row in rows()] == ['dead']),
            concurrency=1,
        )

        assert row_of(found).last_error == 'its process ended (signal 9)'
        assert row_of(found).attempts == 2

    def test_has_the_workers_of_a_broker_do_what_it_brings(self, own_app, monkeypatch):
        """The one on either end is a pipe here: who hands out writes ids, who works reads them."""
        reader, writer = os.pipe()

        class Engine:
            def __init__(self, url):
                assert url == 'redis://127.0.0.1:1'

            def queue_size(self, queue):
                return 0

            def send(self, queue, task_id):
                assert queue == 'default'
                # Once for each worker of the queue: the second finds the task taken.
                os.write(writer, task_id.hex.encode() * 2)

            def consume(self, queue, handle, wait):
                if queue == 'default':
                    handle(os.read(reader, 32).decode())
                wait()

        monkeypatch.setattr(dispatcher, 'TaskBroker', Engine)
        monkeypatch.setattr(worker, 'TaskBroker', Engine)
        monkeypatch.setitem(own_app.config, 'TASKS_BROKER_URL', 'redis://127.0.0.1:1')
        enqueue_committed(task(name='nothing')(lambda: None))

        run_task_workers(own_app, until(lambda: not rows()), concurrency=1)


class TestWorkerQueues:
    @pytest.mark.parametrize('has_broker', [False, True])
    @pytest.mark.parametrize('count', [1, 2, 3, 8])
    def test_has_a_worker_of_its_own_for_each_queue(self, count, has_broker):
        found = worker_queues(count, has_broker=has_broker)

        assert {queues[0] for queues in found} == {'mail', 'default', 'slow'}
        assert ('mail',) in found

    @pytest.mark.parametrize(('count', 'expected'), [(1, 2), (2, 2), (3, 3), (8, 8)])
    def test_runs_so_many_at_once_beside_mails(self, count, expected):
        embedded = worker_queues(count, has_broker=False)
        grown = worker_queues(count, has_broker=True)

        assert len(embedded) == 1 + expected
        assert [queues for queues in grown if queues == ('default',)] == [('default',)] * expected

    @pytest.mark.parametrize('count', [1, 2, 3, 8])
    def test_serves_one_queue_per_process_with_a_broker(self, count):
        assert {len(queues) for queues in worker_queues(count, has_broker=True)} == {1}


class TestServeUntilSignal:
    @pytest.mark.parametrize('name', ['SIGTERM', 'SIGINT'])
    def test_ends_on_a_signal(self, own_app, line, received, name):
        process = FORK.Process(target=run_until_signal, args=(own_app, 1))
        process.start()
        line.listen()
        assert line.receive() == b'!'

        os.kill(process.pid, getattr(signal, name))
        process.join(10)

        assert process.exitcode == 0
        assert line.receive() == b''

    def test_is_outlived_by_none_of_its_processes(self, own_app, line, received):
        process = FORK.Process(target=run_until_signal, args=(own_app, 1))
        process.start()
        line.listen()
        assert line.receive() == b'!'

        process.kill()
        process.join(10)

        assert line.receive() == b''

    def test_is_outlived_by_no_task_that_keeps_its_interpreter_busy(self, own_app, line):
        def run():
            line.say()
            # It lets nothing else happen in its process until a signal ends it.
            ctypes.PyDLL(None).pause()

        enqueue_committed(task(name='run')(run))
        process = FORK.Process(target=run_until_signal, args=(own_app, 1))
        process.start()
        line.listen()
        assert line.receive() == b'!'

        process.kill()
        process.join(10)

        assert line.receive() == b''


class TestBeside:
    def test_works_while_the_block_does(self, own_app, line, received):
        with background_task_workers(own_app):
            line.listen()
            assert line.receive() == b'!'
            assert [child.name for child in active_children()] == ['tasks']

        assert active_children() == []
        assert line.receive() == b''

    def test_ends_although_the_block_fails(self, own_app, no_tasks):
        with pytest.raises(ZeroDivisionError), background_task_workers(own_app):
            raise ZeroDivisionError

        assert active_children() == []

    def test_ends_with_its_process_however_that_ends(self, own_app, line, received):
        def serve():
            with background_task_workers(own_app):
                signal.pause()

        process = FORK.Process(target=serve)
        process.start()
        line.listen()
        assert line.receive() == b'!'

        process.kill()
        process.join(10)

        assert line.receive() == b''


class TestIsEmbedded:
    @pytest.mark.parametrize(
        ('broker', 'concurrency', 'embedded'),
        [('', 2, True), ('', 1, True), ('', 0, False), ('redis://localhost', 2, False)],
    )
    def test_is_where_there_is_no_broker_and_somebody_to_work(
        self, app, monkeypatch, broker, concurrency, embedded
    ):
        monkeypatch.setitem(app.config, 'TASKS_BROKER_URL', broker)
        monkeypatch.setitem(app.config, 'TASKS_CONCURRENCY', concurrency)

        assert runs_tasks_in_process(app) == embedded
