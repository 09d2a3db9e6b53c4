"""The supervisor: it starts, watches and stops the task worker processes."""

import logging
import os
import signal
import subprocess
import time
from datetime import timedelta
from multiprocessing import active_children

import pytest

from project.core.task_workers import supervisor
from project.core.task_workers.supervisor import Supervisor
from project.core.task_workers.worker_slot import WorkerSlot

from .process_sync import ProcessPipe, until


@pytest.fixture(autouse=True)
def no_process_is_left():
    """Check after each test that no child process is left."""
    yield
    assert active_children() == []


@pytest.fixture
def log_file(tmp_path):
    """Return the file to which a supervisor and its child processes log."""
    handler = logging.FileHandler(tmp_path / 'log')
    supervisor.log.addHandler(handler)
    yield tmp_path / 'log'
    supervisor.log.removeHandler(handler)
    handler.close()


def wait_forever():
    """Ignore SIGTERM and wait forever, as a worker process that hangs."""
    while True:
        signal.pause()


class TestRun:
    def test_starts_a_process_in_every_slot(self, own_app, tmp_path):
        def role(_app, slot):
            (tmp_path / slot.name).touch()
            slot.wait_for_stop()

        slots = [WorkerSlot(name, role) for name in ('one', 'two')]

        Supervisor(own_app, slots).run(
            until(lambda: all((tmp_path / s.name).exists() for s in slots))
        )

        assert [slot.orphaned_leases for slot in slots] == [[], []]

    def test_replaces_a_dead_process_and_passes_its_lease_on(self, own_app, tmp_path):
        def role(_app, slot):
            if not slot.orphaned_leases:
                (tmp_path / 'lease').write_text(str(slot.lease))
                os.kill(os.getpid(), signal.SIGKILL)
            [left] = slot.orphaned_leases
            (tmp_path / 'draft').write_text(f'{left.lease} {left.reason}')
            (tmp_path / 'draft').rename(tmp_path / 'left')
            slot.wait_for_stop()

        Supervisor(own_app, [WorkerSlot('one', role)]).run(until((tmp_path / 'left').exists))

        lease = (tmp_path / 'lease').read_text()
        assert (tmp_path / 'left').read_text() == f'{lease} its process ended (signal 9)'

    def test_kills_a_process_at_its_time_limit(self, own_app, tmp_path):
        def role(_app, slot):
            if not slot.orphaned_leases:
                slot.set_deadline(timedelta(seconds=0.1))
                wait_forever()
            (tmp_path / 'draft').write_text(slot.orphaned_leases[0].reason)
            (tmp_path / 'draft').rename(tmp_path / 'left')
            slot.wait_for_stop()

        Supervisor(own_app, [WorkerSlot('one', role)]).run(until((tmp_path / 'left').exists))

        assert 'exceeded its time limit' in (tmp_path / 'left').read_text()

    def test_waits_before_it_replaces_a_process_that_ends_at_once(
        self, own_app, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(supervisor, 'RESTART_DELAY_SECONDS', 0.3)

        def role(_app, slot):
            with (tmp_path / 'times').open('a') as file:
                file.write(f'{time.monotonic()}\n')

        def times():
            file = tmp_path / 'times'
            return [float(t) for t in file.read_text().split()] if file.exists() else []

        Supervisor(own_app, [WorkerSlot('one', role)]).run(until(lambda: len(times()) >= 2))

        first, second, *_ = times()
        assert second - first >= 0.25

    def test_lets_running_processes_finish(self, own_app, tmp_path):
        def role(_app, slot):
            (tmp_path / 'begun').touch()
            slot.wait_for_stop()
            (tmp_path / 'finished').touch()

        Supervisor(own_app, [WorkerSlot('one', role)]).run(until((tmp_path / 'begun').exists))

        assert (tmp_path / 'finished').exists()

    def test_sends_signs_of_life_while_processes_finish(self, own_app, tmp_path):
        beats = []

        def role(_app, slot):
            (tmp_path / 'begun').touch()
            slot.wait_for_stop()
            while not (tmp_path / 'enough').exists():
                os.sched_yield()

        def goes_on():
            if (tmp_path / 'begun').exists():
                beats.append(1)
            if len(beats) == 3:
                (tmp_path / 'enough').touch()
            return not beats

        Supervisor(own_app, [WorkerSlot('one', role)]).run(goes_on)

        assert len(beats) >= 3

    def test_kills_a_process_that_does_not_finish_in_time(self, own_app, tmp_path, monkeypatch):
        monkeypatch.setattr(supervisor, 'SHUTDOWN_GRACE_SECONDS', 0.2)

        def role(_app, slot):
            (tmp_path / 'begun').touch()
            wait_forever()

        slot = WorkerSlot('one', role)
        began = time.monotonic()

        Supervisor(own_app, [slot]).run(until((tmp_path / 'begun').exists))

        assert slot.process.exitcode == -signal.SIGKILL
        assert time.monotonic() - began < 5

    def test_kills_a_process_at_its_time_limit_while_others_finish(
        self, own_app, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(supervisor, 'SHUTDOWN_GRACE_SECONDS', 60.0)

        def role(_app, slot):
            slot.set_deadline(timedelta(seconds=0.5))
            (tmp_path / 'begun').touch()
            wait_forever()

        slot = WorkerSlot('one', role)
        began = time.monotonic()

        Supervisor(own_app, [slot]).run(until((tmp_path / 'begun').exists))

        assert slot.process.exitcode == -signal.SIGKILL
        assert time.monotonic() - began < 15

    @pytest.mark.parametrize('how', ['too slow', 'at the end'])
    def test_kills_the_child_processes_of_a_task(self, own_app, tmp_path, monkeypatch, how):
        monkeypatch.setattr(supervisor, 'SHUTDOWN_GRACE_SECONDS', 0.2)
        pipe, calls = ProcessPipe(), []

        def role(_app, slot):
            if not slot.orphaned_leases:
                with subprocess.Popen(['sleep', '600'], pass_fds=[pipe.writer]):
                    pipe.send()
                    slot.set_deadline(timedelta(seconds=0.1 if how == 'too slow' else 60))
                    wait_forever()
            (tmp_path / 'replaced').touch()
            slot.wait_for_stop()

        def goes_on():
            calls.append(1)
            if len(calls) == 2:
                pipe.close_writer()
                assert pipe.receive() == b'!'
            if how == 'too slow':
                return not (tmp_path / 'replaced').exists()
            return len(calls) < 2

        Supervisor(own_app, [WorkerSlot('one', role)]).run(goes_on)

        assert pipe.receive() == b''

    def test_logs_the_error_of_a_process_and_replaces_it(self, own_app, tmp_path, log_file):
        def role(_app, slot):
            if not slot.orphaned_leases:
                raise ZeroDivisionError('of all things')
            (tmp_path / 'draft').write_text(slot.orphaned_leases[0].reason)
            (tmp_path / 'draft').rename(tmp_path / 'left')
            slot.wait_for_stop()

        Supervisor(own_app, [WorkerSlot('one', role)]).run(until((tmp_path / 'left').exists))

        assert (tmp_path / 'left').read_text() == 'its process ended (exit code 1)'
        assert 'one has failed' in log_file.read_text()
        assert 'ZeroDivisionError: of all things' in log_file.read_text()

    def test_ends_all_processes_when_it_fails_itself(self, own_app, tmp_path):
        def role(_app, slot):
            (tmp_path / 'begun').touch()
            wait_forever()

        def goes_on():
            if (tmp_path / 'begun').exists():
                raise ZeroDivisionError
            return True

        with pytest.raises(ZeroDivisionError):
            Supervisor(own_app, [WorkerSlot('one', role)]).run(goes_on)

    @pytest.mark.parametrize('name', ['SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGWINCH'])
    def test_ends_a_process_only_on_sigterm(self, own_app, tmp_path, name):
        """Other signals reach the whole process group, sent by a terminal or by gunicorn."""

        def role(_app, slot):
            os.kill(os.getpid(), getattr(signal, name))
            (tmp_path / 'survived').touch()
            assert not slot.stop_requested
            slot.wait_for_stop()

        slot = WorkerSlot('one', role)
        Supervisor(own_app, [slot]).run(until((tmp_path / 'survived').exists))

        assert slot.process.exitcode == 0

    def test_wakes_a_waiting_process_to_stop_it(self, own_app, tmp_path):
        def role(_app, slot):
            (tmp_path / 'begun').touch()
            while not slot.stop_requested:
                slot.wakeup.wait(20)

        began = time.monotonic()
        Supervisor(own_app, [WorkerSlot('one', role)]).run(until((tmp_path / 'begun').exists))

        assert time.monotonic() - began < 10
