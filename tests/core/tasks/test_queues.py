"""Fair queues: each owner gets a share of the workers.

The many tasks of one owner do not delay those of other owners.
"""

from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest

from project.core.clock import now
from project.core.database.session import execute_select
from project.core.tasks import broker_queues, leases, queues
from project.core.tasks.broker_queues import MAX_QUEUED_WITH_SLOT
from project.core.tasks.outbox import OutboxTask
from project.core.tasks.queues import (
    QueuePart,
    claimable_parts,
    mark_all_ready,
    mark_ready,
    reset_unknown_parts,
)
from project.core.tasks.registry import TaskSlot
from tests.concurrency import run_concurrently, separate_app
from tests.tasks import task

from ..outbox import change, enqueue_at_committed, enqueue_committed, row_of

pytestmark = pytest.mark.usefixtures('no_tasks')

MINE = uuid4()
ADA, BOB, EVE = 1, 2, 3


@pytest.fixture
def work():
    """Return a task that belongs to the user `owner`."""
    return task(name='work', owner_argument='owner')(lambda owner, number=0: None)


@pytest.fixture
def letter():
    """Return a task of the queue `mail`, which has the highest priority."""
    return task(name='letter', queue='mail')(lambda: None)


@pytest.fixture
def archive():
    """Return a task of the queue `slow`, which has the lowest priority."""
    return task(name='archive', queue='slow')(lambda: None)


@pytest.fixture
def decoder():
    """Return a concurrency limit for decoding, with a free slot unless a test sets `free`."""
    return FakeSlot()


class FakeSlot:
    """A concurrency limit. A test sets `free` to False to simulate that all slots are used."""

    free = True

    def __call__(self):
        return self.free


def with_slot(slot, **options):
    """Return a task that needs a free slot of a concurrency limit, and belongs to `owner`."""
    limit = TaskSlot('decoder', slot)
    return task(name='decode', slot=limit, owner_argument='owner', **options)(lambda owner: None)


def claim(*names):
    """Claim the next task of the given queues; return its row, or None."""
    return leases.claim_next(MINE, names or queues.QUEUES)


def claimed_owners(count):
    """Claim `count` tasks and return the owner of each, in order."""
    return [claim().owner_id for _ in range(count)]


class TestMarkReady:
    def test_runs_one_task_of_each_owner_in_a_round(self, work):
        for owner in (ADA, ADA, ADA, BOB, BOB, EVE):
            enqueue_committed(work, owner)

        assert claimed_owners(6) == [ADA, BOB, EVE, ADA, BOB, ADA]

    def test_makes_an_owner_with_one_task_wait_for_one_round_at_most(self, work):
        for _ in range(20):
            enqueue_committed(work, ADA)
        claimed_owners(7)
        enqueue_committed(work, BOB)
        mark_ready()

        assert BOB in claimed_owners(2)

    def test_keeps_the_order_in_which_tasks_of_an_owner_were_due(self, work):
        moments = [now() - timedelta(seconds=n) for n in (2, 3, 1)]
        ids = [enqueue_at_committed(moment, work, ADA) for moment in moments]

        assert [claim().id for _ in range(3)] == [ids[1], ids[0], ids[2]]

    def test_ignores_completed_tasks_of_an_owner(self, work):
        for _ in range(5):
            enqueue_committed(work, ADA)
        claimed_owners(5)
        enqueue_committed(work, BOB)
        enqueue_committed(work, ADA)

        assert claimed_owners(2) == [BOB, ADA]

    def test_ignores_tasks_that_are_not_due(self, work, travel):
        later = enqueue_at_committed(now() + timedelta(minutes=1), work, ADA)

        assert mark_ready() == 0
        with travel(minutes=1):
            assert mark_ready() == 1
        assert row_of(later).round_number == 0

    def test_marks_a_limited_number_per_call_and_keeps_the_shares(self, work, monkeypatch):
        monkeypatch.setattr(queues, 'MAX_ROWS_PER_STATEMENT', 2)
        for owner in (ADA, ADA, ADA, BOB):
            enqueue_committed(work, owner)

        assert [mark_ready() for _ in range(3)] == [2, 2, 0]
        assert claimed_owners(4) == [ADA, BOB, ADA, ADA]

    def test_gives_each_task_one_round_in_concurrent_calls(self, work, tmp_path):
        with separate_app(tmp_path) as app:
            for _ in range(8):
                enqueue_committed(work, ADA)

            marked = run_concurrently(app, *[mark_ready] * 4)

            assert sum(marked) == 8

    def test_runs_one_select_when_no_task_is_due(self, queries):
        with queries(max=1):
            mark_ready()

    def test_marks_a_task_with_an_expired_lease_which_its_process_can_still_renew(
        self, work, travel
    ):
        found = enqueue_committed(work, ADA)
        claim()
        with travel(seconds=leases.LEASE_DURATION.seconds):
            mark_ready()
            leases.renew([MINE])

            assert claim() is None
            assert row_of(found).lease_id == MINE


class TestOwner:
    def test_is_0_without_an_owner_argument_and_minus_1_for_an_operator(self, letter, work):
        assert row_of(enqueue_committed(letter)).owner_id == 0
        assert row_of(enqueue_committed(work, None)).owner_id == -1

    def test_defaults_to_the_subject(self):
        about = task(name='about', subject_argument='user_id')(lambda user_id: None)

        assert row_of(enqueue_committed(about, ADA)).owner_id == ADA


class TestClaimableParts:
    def test_omits_tasks_whose_concurrency_limit_has_no_free_slot(self, decoder):
        with_slot(decoder)
        free = [QueuePart('mail', ''), QueuePart('default', ''), QueuePart('default', 'decoder')]

        assert claimable_parts(['mail', 'default']) == free
        decoder.free = False
        assert claimable_parts(['mail', 'default']) == free[:2]

    def test_gives_a_slot_that_becomes_free_to_the_next_owner(self, decoder, work):
        decode = with_slot(decoder)
        for owner in (ADA, ADA, ADA):
            enqueue_committed(decode, owner)
        claimed_owners(1)
        enqueue_committed(decode, BOB)
        enqueue_committed(work, EVE)
        mark_ready()
        decoder.free = False

        assert claim().owner_id == EVE
        assert claim() is None
        decoder.free = True
        assert BOB in claimed_owners(2)


class TestClaimNext:
    def test_claims_from_the_first_of_its_queues_with_a_task(self, letter, work, archive):
        for function, arguments in ((archive, []), (work, [ADA]), (letter, [])):
            enqueue_committed(function, *arguments)

        names = [claim('slow', 'default', 'mail').name for _ in range(3)]

        assert names == ['archive', 'work', 'letter']

    @pytest.mark.parametrize(('many', 'few'), [('work', 'decode'), ('decode', 'work')])
    def test_serves_tasks_with_and_without_a_slot_equally_often(self, decoder, work, many, few):
        tasks = {'work': work, 'decode': with_slot(decoder)}
        for _ in range(10):
            enqueue_committed(tasks[many], ADA)
        enqueue_committed(tasks[few], BOB)

        assert BOB in claimed_owners(2)

    def test_ignores_other_queues(self, archive):
        enqueue_committed(archive)

        assert claim('mail', 'default') is None
        assert claim('slow').name == 'archive'


class TestMarkAllReady:
    def test_returns_the_queues_with_ready_tasks(self, letter, archive):
        assert mark_all_ready() == []
        enqueue_committed(letter)
        enqueue_committed(archive)

        assert mark_all_ready() == ['mail', 'slow']
        claim()
        assert mark_all_ready() == ['slow']

    def test_marks_all_due_tasks_in_batches(self, letter, archive, monkeypatch):
        monkeypatch.setattr(queues, 'MAX_ROWS_PER_STATEMENT', 1)
        for function in (letter, letter, archive):
            enqueue_committed(function)

        assert mark_all_ready() == ['mail', 'slow']
        assert mark_ready() == 0

    def test_runs_one_select_when_no_task_is_due(self, letter, queries):
        enqueue_committed(letter)
        mark_ready()

        with queries(max=1):
            assert mark_all_ready() == ['mail']


class TestMarkQueued:
    def queue(self, limit=20, share=4):
        mark_ready()
        ids = broker_queues.mark_queued('default', limit, share)
        owners = execute_select(OutboxTask.__table__.select())
        return Counter(row.owner_id for row in owners if row.id in ids)

    def test_queues_no_more_tasks_of_a_user_than_their_share(self, work):
        for owner in (ADA,) * 10 + (BOB,):
            enqueue_committed(work, owner)

        assert self.queue() == {ADA: 4, BOB: 1}
        assert self.queue() == {}

    def test_limits_tasks_without_an_owner_by_the_queue_only(self):
        nothing = task(name='nothing')(lambda: None)
        for _ in range(10):
            enqueue_committed(nothing)

        assert self.queue(limit=8) == {0: 8}

    def test_queues_few_tasks_that_need_a_slot(self, decoder):
        decode = with_slot(decoder)
        for owner in range(1, 6):
            enqueue_committed(decode, owner)

        assert self.queue().total() == MAX_QUEUED_WITH_SLOT
        assert self.queue().total() == 0

    def test_queues_a_task_with_a_slot_although_others_fill_the_queue(self, decoder, work):
        for _ in range(10):
            enqueue_committed(work, ADA)
        enqueue_committed(with_slot(decoder), BOB)

        assert self.queue(limit=4) == {ADA: 3, BOB: 1}

    def test_queues_the_task_of_another_owner_although_one_has_its_share(self, work):
        for owner in (ADA,) * 20:
            enqueue_committed(work, owner)
        assert self.queue() == {ADA: 4}
        enqueue_committed(work, BOB)

        assert self.queue(limit=1) == {BOB: 1}

    def test_queues_each_task_once_for_concurrent_dispatchers(self, work, tmp_path):
        with separate_app(tmp_path) as app:
            for owner in range(1, 9):
                enqueue_committed(work, owner)
            mark_ready()

            queued = run_concurrently(
                app, *[lambda: broker_queues.mark_queued('default', 8, 4)] * 4
            )

            assert sum(map(len, queued)) == 8


class TestResetUnknownParts:
    @pytest.mark.parametrize(
        ('stored', 'kept'),
        [
            ({'queue': 'urgent'}, 'default'),
            ({'slot': 'printer'}, 'default'),
            ({'queue': 'slow', 'slot': 'decoder'}, 'slow'),
        ],
    )
    def test_moves_tasks_of_a_queue_or_slot_unknown_to_this_version(self, decoder, stored, kept):
        found = enqueue_committed(with_slot(decoder), ADA)
        mark_ready()
        change(found, **stored)

        assert reset_unknown_parts() == 1

        assert (row_of(found).queue, row_of(found).slot) == (kept, '')
        assert claim().id == found

    def test_keeps_tasks_of_this_version(self, decoder, letter):
        enqueue_committed(with_slot(decoder), ADA)
        enqueue_committed(letter)

        assert reset_unknown_parts() == 0
