"""What stays when a process ends and another one takes its place."""

import os
import signal
import time
from datetime import timedelta
from threading import Thread

import pytest

from project.core.task_workers.worker_slot import FORK, OrphanedLease, WorkerSlot
from project.core.tasks.notifications import WakeupPipe


@pytest.fixture
def slot():
    """A slot where nobody has to do anything."""
    return WorkerSlot('worker 1', lambda _app, _seat: None)


def ended(target, *args):
    """Return a process that has ended."""
    process = FORK.Process(target=target, args=args)
    process.start()
    process.join()
    return process


class TestIsOverdue:
    def test_is_not_while_nothing_runs(self, slot):
        assert not slot.is_overdue

    def test_is_when_the_time_is_over_until_it_ends(self, slot):
        slot.set_deadline(timedelta(minutes=1))
        assert not slot.is_overdue

        slot.set_deadline(timedelta(seconds=-1))
        assert slot.is_overdue

        slot.clear_deadline()
        assert not slot.is_overdue

    def test_is_seen_from_the_other_side(self, slot):
        ended(slot.set_deadline, timedelta(seconds=-1))

        assert slot.is_overdue


class TestTakeOver:
    def test_begins_with_nothing_left(self, slot):
        slot.begin(timedelta(seconds=-1))

        slot.reset_for_next_process()

        assert slot.orphaned_leases == []
        assert slot.since <= time.monotonic()
        assert not slot.is_busy
        assert not slot.is_overdue

    def test_names_who_looks_after_it(self, slot):
        slot.reset_for_next_process()

        assert slot.parent_pid == os.getpid()

    def test_is_seen_by_who_was_forked_before(self, slot, tmp_path):
        """The dispatcher renews what a worker holds that has been replaced meanwhile."""
        bell, answer = WakeupPipe(), tmp_path / 'lease'

        def look():
            bell.wait(20)
            answer.write_text(f'{slot.lease} {slot.is_busy}')

        before = slot.lease
        looking = FORK.Process(target=look)
        looking.start()
        slot.process = ended(os._exit, 1)
        slot.reset_for_next_process()
        ended(slot.begin, timedelta(minutes=1))
        bell.notify()
        looking.join(20)

        assert answer.read_text() == f'{slot.lease} True'
        assert slot.lease != before

    @pytest.mark.parametrize(
        ('end', 'reason'),
        [
            (lambda: os._exit(3), 'its process ended (exit code 3)'),
            (lambda: os._exit(0), 'its process ended (exit code 0)'),
            (lambda: os.kill(os.getpid(), signal.SIGKILL), 'its process ended (signal 9)'),
        ],
    )
    def test_says_what_the_last_one_left_and_how_it_ended(self, slot, end, reason):
        lease, slot.process = slot.lease, ended(end)

        slot.reset_for_next_process()

        assert slot.orphaned_leases == [OrphanedLease(lease, reason)]
        assert slot.lease != lease

    def test_says_that_the_last_one_took_too_long(self, slot):
        slot.process = ended(slot.set_deadline, timedelta(seconds=-1))

        slot.reset_for_next_process()

        [left] = slot.orphaned_leases
        assert left.reason == 'it took longer than its time limit, and was ended'
        assert not slot.is_overdue

    def test_keeps_what_was_left_before(self, slot):
        leases = []
        for _ in range(3):
            leases.append(slot.lease)
            slot.process = ended(os._exit, 1)
            slot.reset_for_next_process()

        assert [left.lease for left in slot.orphaned_leases] == leases


class TestResetForNextProcess:
    def test_reports_only_the_last_one_to_the_next(self, slot):
        slot.process = ended(os._exit, 1)
        slot.reset_for_next_process()
        lease, slot.process = slot.lease, ended(slot.mark_orphans_released)

        slot.reset_for_next_process()

        assert [left.lease for left in slot.orphaned_leases] == [lease]

    def test_holds_for_one_process(self, slot):
        slot.process = ended(slot.mark_orphans_released)
        slot.reset_for_next_process()
        leases = [slot.orphaned_leases[0].lease, slot.lease]
        slot.process = ended(os._exit, 1)

        slot.reset_for_next_process()

        assert [left.lease for left in slot.orphaned_leases] == leases


class TestBegin:
    def test_is_busy_for_so_long_at_most(self, slot):
        assert not slot.is_busy

        slot.begin(timedelta(seconds=-1))

        assert slot.is_busy
        assert slot.is_overdue

    def test_is_seen_from_the_other_side(self, slot):
        ended(slot.begin, timedelta(minutes=1))

        assert slot.is_busy
        assert not slot.is_overdue


class TestEnd:
    def test_leaves_time_for_what_is_to_be_written_down(self, slot):
        slot.begin(timedelta(seconds=-1))

        slot.end()

        assert not slot.is_busy
        assert slot.is_overdue


class TestChangeLease:
    def test_holds_no_longer_what_the_old_one_did(self, slot):
        before = slot.lease

        slot.renew_lease_id()

        assert slot.lease != before
        # That runs out: nobody renews it, and nobody gives it back.
        assert slot.orphaned_leases == []

    def test_is_seen_from_the_other_side(self, slot):
        before = slot.lease

        ended(slot.renew_lease_id)

        assert slot.lease != before


class TestRequestStop:
    def test_wakes_who_waits(self, slot):
        waiting = Thread(target=slot.wait_for_stop)
        waiting.start()

        slot.request_stop()
        waiting.join(10)

        assert not waiting.is_alive()
        assert slot.stop_requested


class TestPause:
    def test_ends_when_somebody_rings(self, slot):
        slot.wakeup.notify()
        began = time.monotonic()

        slot.wait(20)

        assert time.monotonic() - began < 10

    def test_ends_when_its_time_is_over(self, slot):
        began = time.monotonic()

        slot.wait(0.1)

        assert time.monotonic() - began >= 0.1

    def test_is_none_for_a_process_that_was_asked_to_end(self, slot):
        slot.request_stop()
        began = time.monotonic()

        for _ in range(3):
            slot.wait(20)

        assert time.monotonic() - began < 10


class TestWaitForTheEnd:
    def test_is_not_ended_by_a_ring(self, slot):
        waiting = Thread(target=slot.wait_for_stop)
        waiting.start()

        slot.wakeup.notify()
        waiting.join(0.1)
        assert waiting.is_alive()

        slot.request_stop()
        waiting.join(10)
        assert not waiting.is_alive()
