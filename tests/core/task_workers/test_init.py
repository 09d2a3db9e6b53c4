"""`run_task_workers`: all task processes start, stop, and end when their parent ends."""

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
from tests.tasks import task

from ..outbox import enqueue_committed, row_of, rows
from .process_sync import ProcessPipe, until


@pytest.fixture
def pipe():
    """Return a pipe that also grandchildren of the test can write to."""
    return ProcessPipe()


@pytest.fixture
def sending_task(own_app, pipe):
    """Enqueue a task that sends a byte to the test through the pipe."""
    enqueue_committed(task(name='send')(pipe.send))


class TestInitApp:
    def test_registers_the_function_that_gunicorn_runs(self, own_app):
        enqueue_committed(task(name='nothing')(lambda: None))

        own_app.extensions['run_task_workers'](until(lambda: not rows()))


class TestRunTaskWorkers:
    def test_runs_tasks_with_the_given_number_of_workers(self, own_app, tmp_path):
        def run():
            (tmp_path / str(os.getpid())).mkdir()
            while len([path for path in tmp_path.iterdir() if path.is_dir()]) < 2:
                os.sched_yield()

        both = task(name='both')(run)
        enqueue_committed(both)
        enqueue_committed(both)

        # Each task waits until both have started, so the test ends only with two workers.
        run_task_workers(own_app, until(lambda: not rows()), concurrency=2)

    def test_dead_letters_a_task_that_kills_its_process_and_runs_others(self, own_app):
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

    def test_runs_the_tasks_that_a_broker_delivers(self, own_app, monkeypatch):
        """A pipe replaces the broker: the dispatcher writes ids to it, the worker reads them."""
        reader, writer = os.pipe()

        class PipeBroker:
            def __init__(self, url):
                assert url == 'redis://127.0.0.1:1'

            def queue_size(self, queue):
                return 0

            def send(self, queue, task_id):
                assert queue == 'default'
                # Send the id twice, for two workers: the second one finds the task already claimed.
                os.write(writer, task_id.hex.encode() * 2)

            def consume(self, queue, handle, wait):
                if queue == 'default':
                    handle(os.read(reader, 32).decode())
                wait()

        monkeypatch.setattr(dispatcher, 'TaskBroker', PipeBroker)
        monkeypatch.setattr(worker, 'TaskBroker', PipeBroker)
        monkeypatch.setitem(own_app.config, 'TASKS_BROKER_URL', 'redis://127.0.0.1:1')
        enqueue_committed(task(name='nothing')(lambda: None))

        run_task_workers(own_app, until(lambda: not rows()), concurrency=1)


class TestWorkerQueues:
    @pytest.mark.parametrize('has_broker', [False, True])
    @pytest.mark.parametrize('count', [1, 2, 3, 8])
    def test_contain_a_separate_worker_for_each_queue(self, count, has_broker):
        found = worker_queues(count, has_broker=has_broker)

        assert {queues[0] for queues in found} == {'mail', 'default', 'slow'}
        assert ('mail',) in found

    @pytest.mark.parametrize(('count', 'expected'), [(1, 2), (2, 2), (3, 3), (8, 8)])
    def test_contain_the_given_number_of_workers_besides_mail(self, count, expected):
        embedded = worker_queues(count, has_broker=False)
        separate = worker_queues(count, has_broker=True)

        assert len(embedded) == 1 + expected
        assert [queues for queues in separate if queues == ('default',)] == [
            ('default',)
        ] * expected

    @pytest.mark.parametrize('count', [1, 2, 3, 8])
    def test_contain_one_queue_per_process_with_a_broker(self, count):
        assert {len(queues) for queues in worker_queues(count, has_broker=True)} == {1}


class TestRunUntilSignal:
    @pytest.mark.parametrize('name', ['SIGTERM', 'SIGINT'])
    def test_ends_on_a_signal(self, own_app, pipe, sending_task, name):
        process = FORK.Process(target=run_until_signal, args=(own_app, 1))
        process.start()
        pipe.close_writer()
        assert pipe.receive() == b'!'

        os.kill(process.pid, getattr(signal, name))
        process.join(10)

        assert process.exitcode == 0
        assert pipe.receive() == b''

    def test_ends_its_processes_when_it_is_killed(self, own_app, pipe, sending_task):
        process = FORK.Process(target=run_until_signal, args=(own_app, 1))
        process.start()
        pipe.close_writer()
        assert pipe.receive() == b'!'

        process.kill()
        process.join(10)

        assert pipe.receive() == b''

    def test_ends_a_task_that_keeps_its_interpreter_busy_when_it_is_killed(self, own_app, pipe):
        def run():
            pipe.send()
            # PyDLL keeps the GIL: no other thread of this process runs until a signal ends it.
            ctypes.PyDLL(None).pause()

        enqueue_committed(task(name='run')(run))
        process = FORK.Process(target=run_until_signal, args=(own_app, 1))
        process.start()
        pipe.close_writer()
        assert pipe.receive() == b'!'

        process.kill()
        process.join(10)

        assert pipe.receive() == b''


class TestBackgroundTaskWorkers:
    def test_run_tasks_during_the_block(self, own_app, pipe, sending_task):
        with background_task_workers(own_app):
            pipe.close_writer()
            assert pipe.receive() == b'!'
            assert [child.name for child in active_children()] == ['tasks']

        assert active_children() == []
        assert pipe.receive() == b''

    def test_end_even_if_the_block_raises(self, own_app, no_tasks):
        with pytest.raises(ZeroDivisionError), background_task_workers(own_app):
            raise ZeroDivisionError

        assert active_children() == []

    def test_end_when_their_parent_is_killed(self, own_app, pipe, sending_task):
        def serve():
            with background_task_workers(own_app):
                signal.pause()

        process = FORK.Process(target=serve)
        process.start()
        pipe.close_writer()
        assert pipe.receive() == b'!'

        process.kill()
        process.join(10)

        assert pipe.receive() == b''


class TestRunsTasksInProcess:
    @pytest.mark.parametrize(
        ('broker', 'concurrency', 'embedded'),
        [('', 2, True), ('', 1, True), ('', 0, False), ('redis://localhost', 2, False)],
    )
    def test_is_true_without_a_broker_and_with_at_least_one_worker(
        self, app, monkeypatch, broker, concurrency, embedded
    ):
        monkeypatch.setitem(app.config, 'TASKS_BROKER_URL', broker)
        monkeypatch.setitem(app.config, 'TASKS_CONCURRENCY', concurrency)

        assert runs_tasks_in_process(app) == embedded
