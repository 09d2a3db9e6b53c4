"""Worker slots: shared memory about a worker, which survives a replacement of its process."""

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
    """Return a worker slot whose process does nothing."""
    return WorkerSlot('worker 1', lambda _app, _slot: None)


def ended(target, *args):
    """Run a function in a child process; return the process after its end."""
    process = FORK.Process(target=target, args=args)
    process.start()
    process.join()
    return process


class TestIsOverdue:
    def test_is_false_while_no_task_runs(self, slot):
        assert not slot.is_overdue

    def test_is_true_after_the_deadline_until_it_is_cleared(self, slot):
        slot.set_deadline(timedelta(minutes=1))
        assert not slot.is_overdue

        slot.set_deadline(timedelta(seconds=-1))
        assert slot.is_overdue

        slot.clear_deadline()
        assert not slot.is_overdue

    def test_is_shared_with_the_parent_process(self, slot):
        ended(slot.set_deadline, timedelta(seconds=-1))

        assert slot.is_overdue


class TestResetForNextProcess:
    def test_clears_the_state_of_the_previous_process(self, slot):
        slot.begin(timedelta(seconds=-1))

        slot.reset_for_next_process()

        assert slot.orphaned_leases == []
        assert slot.since <= time.monotonic()
        assert not slot.is_busy
        assert not slot.is_overdue

    def test_stores_the_id_of_the_parent_process(self, slot):
        slot.reset_for_next_process()

        assert slot.parent_pid == os.getpid()

    def test_is_visible_to_processes_forked_before(self, slot, tmp_path):
        """The dispatcher reads the slots of workers that are replaced after its own start."""
        wakeup, answer = WakeupPipe(), tmp_path / 'lease'

        def look():
            wakeup.wait(20)
            answer.write_text(f'{slot.lease} {slot.is_busy}')

        before = slot.lease
        looking = FORK.Process(target=look)
        looking.start()
        slot.process = ended(os._exit, 1)
        slot.reset_for_next_process()
        ended(slot.begin, timedelta(minutes=1))
        wakeup.notify()
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
    def test_passes_on_the_orphaned_lease_and_the_reason(self, slot, end, reason):
        lease, slot.process = slot.lease, ended(end)

        slot.reset_for_next_process()

        assert slot.orphaned_leases == [OrphanedLease(lease, reason)]
        assert slot.lease != lease

    def test_gives_the_time_limit_as_the_reason_if_it_was_exceeded(self, slot):
        slot.process = ended(slot.set_deadline, timedelta(seconds=-1))

        slot.reset_for_next_process()

        [left] = slot.orphaned_leases
        assert left.reason == 'it exceeded its time limit and was killed'
        assert not slot.is_overdue

    def test_keeps_earlier_orphaned_leases(self, slot):
        leases = []
        for _ in range(3):
            leases.append(slot.lease)
            slot.process = ended(os._exit, 1)
            slot.reset_for_next_process()

        assert [left.lease for left in slot.orphaned_leases] == leases


class TestMarkOrphansReleased:
    def test_passes_on_only_the_last_lease_after_the_release_of_the_others(self, slot):
        slot.process = ended(os._exit, 1)
        slot.reset_for_next_process()
        lease, slot.process = slot.lease, ended(slot.mark_orphans_released)

        slot.reset_for_next_process()

        assert [left.lease for left in slot.orphaned_leases] == [lease]

    def test_applies_a_release_to_one_process_only(self, slot):
        slot.process = ended(slot.mark_orphans_released)
        slot.reset_for_next_process()
        leases = [slot.orphaned_leases[0].lease, slot.lease]
        slot.process = ended(os._exit, 1)

        slot.reset_for_next_process()

        assert [left.lease for left in slot.orphaned_leases] == leases


class TestBegin:
    def test_marks_the_slot_busy_and_sets_the_deadline(self, slot):
        assert not slot.is_busy

        slot.begin(timedelta(seconds=-1))

        assert slot.is_busy
        assert slot.is_overdue

    def test_is_shared_with_the_parent_process(self, slot):
        ended(slot.begin, timedelta(minutes=1))

        assert slot.is_busy
        assert not slot.is_overdue


class TestEnd:
    def test_keeps_the_deadline(self, slot):
        slot.begin(timedelta(seconds=-1))

        slot.end()

        assert not slot.is_busy
        assert slot.is_overdue


class TestRenewLeaseId:
    def test_replaces_the_lease(self, slot):
        before = slot.lease

        slot.renew_lease_id()

        assert slot.lease != before
        # The old lease is not added to `orphaned_leases`: it is no longer renewed, so it expires.
        assert slot.orphaned_leases == []

    def test_is_shared_with_the_parent_process(self, slot):
        before = slot.lease

        ended(slot.renew_lease_id)

        assert slot.lease != before


class TestRequestStop:
    def test_wakes_a_waiting_thread(self, slot):
        waiting = Thread(target=slot.wait_for_stop)
        waiting.start()

        slot.request_stop()
        waiting.join(10)

        assert not waiting.is_alive()
        assert slot.stop_requested


class TestWait:
    def test_returns_when_it_is_notified(self, slot):
        slot.wakeup.notify()
        began = time.monotonic()

        slot.wait(20)

        assert time.monotonic() - began < 10

    def test_returns_after_its_timeout(self, slot):
        began = time.monotonic()

        slot.wait(0.1)

        assert time.monotonic() - began >= 0.1

    def test_returns_at_once_after_a_stop_request(self, slot):
        slot.request_stop()
        began = time.monotonic()

        for _ in range(3):
            slot.wait(20)

        assert time.monotonic() - began < 10


class TestWaitForStop:
    def test_is_not_ended_by_a_notification(self, slot):
        waiting = Thread(target=slot.wait_for_stop)
        waiting.start()

        slot.wakeup.notify()
        waiting.join(0.1)
        assert waiting.is_alive()

        slot.request_stop()
        waiting.join(10)
        assert not waiting.is_alive()
