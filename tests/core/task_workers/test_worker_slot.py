"""What stays when a process ends and another one takes its place."""

import os
import signal
import time
from datetime import timedelta
from threading import Thread

import pytest

from project.core.task_workers.worker_slot import FORK, OrphanedLease, WorkerSlot, is_parent_gone
from project.core.tasks.notifications import WakeupPipe


@pytest.fixture
def seat():
    """A seat where nobody has to do anything."""
    return WorkerSlot('worker 1', lambda _app, _seat: None)


def ended(target, *args):
    """Return a process that has ended."""
    process = FORK.Process(target=target, args=args)
    process.start()
    process.join()
    return process


class TestIsOverdue:
    def test_is_not_while_nothing_runs(self, seat):
        assert not seat.is_overdue

    def test_is_when_the_time_is_over_until_it_ends(self, seat):
        seat.set_deadline(timedelta(minutes=1))
        assert not seat.is_overdue

        seat.set_deadline(timedelta(seconds=-1))
        assert seat.is_overdue

        seat.clear_deadline()
        assert not seat.is_overdue

    def test_is_seen_from_the_other_side(self, seat):
        ended(seat.set_deadline, timedelta(seconds=-1))

        assert seat.is_overdue


class TestTakeOver:
    def test_begins_with_nothing_left(self, seat):
        seat.begin(timedelta(seconds=-1))

        seat.reset_for_next_process()

        assert seat.orphaned_leases == []
        assert seat.since <= time.monotonic()
        assert not seat.is_busy
        assert not seat.is_overdue

    def test_names_who_looks_after_it(self, seat):
        seat.reset_for_next_process()

        assert seat.parent_pid == os.getpid()

    def test_is_seen_by_who_was_forked_before(self, seat, tmp_path):
        """The dispatcher renews what a worker holds that has been replaced meanwhile."""
        bell, answer = WakeupPipe(), tmp_path / 'lease'

        def look():
            bell.wait(20)
            answer.write_text(f'{seat.lease} {seat.is_busy}')

        before = seat.lease
        looking = FORK.Process(target=look)
        looking.start()
        seat.process = ended(os._exit, 1)
        seat.reset_for_next_process()
        ended(seat.begin, timedelta(minutes=1))
        bell.notify()
        looking.join(20)

        assert answer.read_text() == f'{seat.lease} True'
        assert seat.lease != before

    @pytest.mark.parametrize(
        ('end', 'reason'),
        [
            (lambda: os._exit(3), 'its process ended (exit code 3)'),
            (lambda: os._exit(0), 'its process ended (exit code 0)'),
            (lambda: os.kill(os.getpid(), signal.SIGKILL), 'its process ended (signal 9)'),
        ],
    )
    def test_says_what_the_last_one_left_and_how_it_ended(self, seat, end, reason):
        lease, seat.process = seat.lease, ended(end)

        seat.reset_for_next_process()

        assert seat.orphaned_leases == [OrphanedLease(lease, reason)]
        assert seat.lease != lease

    def test_says_that_the_last_one_took_too_long(self, seat):
        seat.process = ended(seat.set_deadline, timedelta(seconds=-1))

        seat.reset_for_next_process()

        [left] = seat.orphaned_leases
        assert left.reason == 'it took longer than its time limit, and was ended'
        assert not seat.is_overdue

    def test_keeps_what_was_left_before(self, seat):
        leases = []
        for _ in range(3):
            leases.append(seat.lease)
            seat.process = ended(os._exit, 1)
            seat.reset_for_next_process()

        assert [left.lease for left in seat.orphaned_leases] == leases


class TestSettle:
    def test_has_the_next_one_told_of_the_last_one_alone(self, seat):
        seat.process = ended(os._exit, 1)
        seat.reset_for_next_process()
        lease, seat.process = seat.lease, ended(seat.mark_orphans_released)

        seat.reset_for_next_process()

        assert [left.lease for left in seat.orphaned_leases] == [lease]

    def test_holds_for_one_process(self, seat):
        seat.process = ended(seat.mark_orphans_released)
        seat.reset_for_next_process()
        leases = [seat.orphaned_leases[0].lease, seat.lease]
        seat.process = ended(os._exit, 1)

        seat.reset_for_next_process()

        assert [left.lease for left in seat.orphaned_leases] == leases


class TestBegin:
    def test_is_busy_for_so_long_at_most(self, seat):
        assert not seat.is_busy

        seat.begin(timedelta(seconds=-1))

        assert seat.is_busy
        assert seat.is_overdue

    def test_is_seen_from_the_other_side(self, seat):
        ended(seat.begin, timedelta(minutes=1))

        assert seat.is_busy
        assert not seat.is_overdue


class TestEnd:
    def test_leaves_time_for_what_is_to_be_written_down(self, seat):
        seat.begin(timedelta(seconds=-1))

        seat.end()

        assert not seat.is_busy
        assert seat.is_overdue


class TestChangeLease:
    def test_holds_no_longer_what_the_old_one_did(self, seat):
        before = seat.lease

        seat.renew_lease_id()

        assert seat.lease != before
        # That runs out: nobody renews it, and nobody gives it back.
        assert seat.orphaned_leases == []

    def test_is_seen_from_the_other_side(self, seat):
        before = seat.lease

        ended(seat.renew_lease_id)

        assert seat.lease != before


class TestTellToEnd:
    def test_wakes_who_waits(self, seat):
        waiting = Thread(target=seat.wait_for_stop)
        waiting.start()

        seat.request_stop()
        waiting.join(10)

        assert not waiting.is_alive()
        assert seat.stop_requested


class TestPause:
    def test_ends_when_somebody_rings(self, seat):
        seat.wakeup.notify()
        began = time.monotonic()

        seat.wait(20)

        assert time.monotonic() - began < 10

    def test_ends_when_its_time_is_over(self, seat):
        began = time.monotonic()

        seat.wait(0.1)

        assert time.monotonic() - began >= 0.1

    def test_is_none_for_who_is_told_to_end(self, seat):
        seat.request_stop()
        began = time.monotonic()

        for _ in range(3):
            seat.wait(20)

        assert time.monotonic() - began < 10


class TestWaitForTheEnd:
    def test_is_not_ended_by_a_ring(self, seat):
        waiting = Thread(target=seat.wait_for_stop)
        waiting.start()

        seat.wakeup.notify()
        waiting.join(0.1)
        assert waiting.is_alive()

        seat.request_stop()
        waiting.join(10)
        assert not waiting.is_alive()


class TestIsOrphan:
    def test_tells_whether_the_parent_is_another_by_now(self):
        assert not is_parent_gone(os.getppid())
        assert is_parent_gone(os.getpid())
