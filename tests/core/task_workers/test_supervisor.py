"""The processes that work the outbox off, and the one that starts, watches and ends them."""

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

from .process_sync import Line, until


@pytest.fixture(autouse=True)
def nobody_is_left():
    """See that no process survives its crew."""
    yield
    assert active_children() == []


@pytest.fixture
def log_file(tmp_path):
    """The file where all processes of a crew write what they log."""
    handler = logging.FileHandler(tmp_path / 'log')
    supervisor.log.addHandler(handler)
    yield tmp_path / 'log'
    supervisor.log.removeHandler(handler)
    handler.close()


def wait_long():
    """Wait, and hear no word of ending."""
    while True:
        signal.pause()


class TestRun:
    def test_keeps_every_slot_occupied(self, own_app, tmp_path):
        def role(_app, seat):
            (tmp_path / seat.name).touch()
            seat.wait_for_stop()

        seats = [WorkerSlot(name, role) for name in ('one', 'two')]

        Supervisor(own_app, seats).run(
            until(lambda: all((tmp_path / s.name).exists() for s in seats))
        )

        assert [seat.orphaned_leases for seat in seats] == [[], []]

    def test_replaces_who_dies_and_says_what_was_left(self, own_app, tmp_path):
        def role(_app, seat):
            if not seat.orphaned_leases:
                (tmp_path / 'lease').write_text(str(seat.lease))
                os.kill(os.getpid(), signal.SIGKILL)
            [left] = seat.orphaned_leases
            (tmp_path / 'draft').write_text(f'{left.lease} {left.reason}')
            (tmp_path / 'draft').rename(tmp_path / 'left')
            seat.wait_for_stop()

        Supervisor(own_app, [WorkerSlot('one', role)]).run(until((tmp_path / 'left').exists))

        lease = (tmp_path / 'lease').read_text()
        assert (tmp_path / 'left').read_text() == f'{lease} its process ended (signal 9)'

    def test_ends_who_takes_too_long(self, own_app, tmp_path):
        def role(_app, seat):
            if not seat.orphaned_leases:
                seat.set_deadline(timedelta(seconds=0.1))
                wait_long()
            (tmp_path / 'draft').write_text(seat.orphaned_leases[0].reason)
            (tmp_path / 'draft').rename(tmp_path / 'left')
            seat.wait_for_stop()

        Supervisor(own_app, [WorkerSlot('one', role)]).run(until((tmp_path / 'left').exists))

        assert 'took longer than its time limit' in (tmp_path / 'left').read_text()

    def test_waits_before_it_replaces_who_ends_as_soon_as_it_begins(
        self, own_app, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(supervisor, 'RESTART_DELAY_SECONDS', 0.3)

        def role(_app, seat):
            with (tmp_path / 'times').open('a') as file:
                file.write(f'{time.monotonic()}\n')

        def times():
            file = tmp_path / 'times'
            return [float(t) for t in file.read_text().split()] if file.exists() else []

        Supervisor(own_app, [WorkerSlot('one', role)]).run(until(lambda: len(times()) >= 2))

        first, second, *_ = times()
        assert second - first >= 0.25

    def test_lets_what_runs_finish(self, own_app, tmp_path):
        def role(_app, seat):
            (tmp_path / 'begun').touch()
            seat.wait_for_stop()
            (tmp_path / 'finished').touch()

        Supervisor(own_app, [WorkerSlot('one', role)]).run(until((tmp_path / 'begun').exists))

        assert (tmp_path / 'finished').exists()

    def test_says_that_it_lives_while_it_lets_them_finish(self, own_app, tmp_path):
        beats = []

        def role(_app, seat):
            (tmp_path / 'begun').touch()
            seat.wait_for_stop()
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

    def test_ends_who_does_not_finish_in_time(self, own_app, tmp_path, monkeypatch):
        monkeypatch.setattr(supervisor, 'SHUTDOWN_GRACE_SECONDS', 0.2)

        def role(_app, seat):
            (tmp_path / 'begun').touch()
            wait_long()

        seat = WorkerSlot('one', role)
        began = time.monotonic()

        Supervisor(own_app, [seat]).run(until((tmp_path / 'begun').exists))

        assert seat.process.exitcode == -signal.SIGKILL
        assert time.monotonic() - began < 5

    def test_ends_who_takes_too_long_although_it_lets_the_others_finish(
        self, own_app, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(supervisor, 'SHUTDOWN_GRACE_SECONDS', 60.0)

        def role(_app, seat):
            seat.set_deadline(timedelta(seconds=0.5))
            (tmp_path / 'begun').touch()
            wait_long()

        seat = WorkerSlot('one', role)
        began = time.monotonic()

        Supervisor(own_app, [seat]).run(until((tmp_path / 'begun').exists))

        assert seat.process.exitcode == -signal.SIGKILL
        assert time.monotonic() - began < 15

    @pytest.mark.parametrize('how', ['too slow', 'at the end'])
    def test_ends_what_a_task_has_started_with_it(self, own_app, tmp_path, monkeypatch, how):
        monkeypatch.setattr(supervisor, 'SHUTDOWN_GRACE_SECONDS', 0.2)
        line, asked = Line(), []

        def role(_app, seat):
            if not seat.orphaned_leases:
                with subprocess.Popen(['sleep', '600'], pass_fds=[line.writer]):
                    line.say()
                    seat.set_deadline(timedelta(seconds=0.1 if how == 'too slow' else 60))
                    wait_long()
            (tmp_path / 'replaced').touch()
            seat.wait_for_stop()

        def goes_on():
            asked.append(1)
            if len(asked) == 2:
                line.listen()
                assert line.receive() == b'!'
            if how == 'too slow':
                return not (tmp_path / 'replaced').exists()
            return len(asked) < 2

        Supervisor(own_app, [WorkerSlot('one', role)]).run(goes_on)

        assert line.receive() == b''

    def test_logs_what_a_process_failed_of_and_replaces_it(self, own_app, tmp_path, log_file):
        def role(_app, seat):
            if not seat.orphaned_leases:
                raise ZeroDivisionError('of all things')
            (tmp_path / 'draft').write_text(seat.orphaned_leases[0].reason)
            (tmp_path / 'draft').rename(tmp_path / 'left')
            seat.wait_for_stop()

        Supervisor(own_app, [WorkerSlot('one', role)]).run(until((tmp_path / 'left').exists))

        assert (tmp_path / 'left').read_text() == 'its process ended (exit code 1)'
        assert 'one has failed' in log_file.read_text()
        assert 'ZeroDivisionError: of all things' in log_file.read_text()

    def test_leaves_nobody_behind_when_it_fails_itself(self, own_app, tmp_path):
        def role(_app, seat):
            (tmp_path / 'begun').touch()
            wait_long()

        def goes_on():
            if (tmp_path / 'begun').exists():
                raise ZeroDivisionError
            return True

        with pytest.raises(ZeroDivisionError):
            Supervisor(own_app, [WorkerSlot('one', role)]).run(goes_on)

    @pytest.mark.parametrize('name', ['SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGWINCH'])
    def test_has_only_sigterm_end_a_process(self, own_app, tmp_path, name):
        """A terminal and gunicorn send the others to all that belong together."""

        def role(_app, seat):
            os.kill(os.getpid(), getattr(signal, name))
            (tmp_path / 'survived').touch()
            assert not seat.stop_requested
            seat.wait_for_stop()

        seat = WorkerSlot('one', role)
        Supervisor(own_app, [seat]).run(until((tmp_path / 'survived').exists))

        assert seat.process.exitcode == 0

    def test_wakes_who_waits_for_a_ring_to_end(self, own_app, tmp_path):
        def role(_app, seat):
            (tmp_path / 'begun').touch()
            while not seat.stop_requested:
                seat.wakeup.wait(20)

        began = time.monotonic()
        Supervisor(own_app, [WorkerSlot('one', role)]).run(until((tmp_path / 'begun').exists))

        assert time.monotonic() - began < 10
