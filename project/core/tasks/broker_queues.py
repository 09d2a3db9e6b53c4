"""Selection of the tasks that go to the broker: a few at a time, with a share for each owner.

The broker does not distinguish owners: in the broker, a task of one owner waits for all earlier
tasks of other owners.
"""

from collections import defaultdict
from uuid import UUID

from sqlalchemy import func, select, update

from project.core.clock import now
from project.core.database.session import execute_in_own_transaction, execute_select

from .leases import QUEUED_TIMEOUT, RELEASED
from .outbox import QUEUED, WAITING, OutboxTask
from .queues import QueuePart, claimable_parts, is_ready_in
from .registry import Queue

# Maximum number of tasks in the broker that need a slot of the same concurrency limit. If there
# were two, one of them could find the slot in use each time. It would be given back to the outbox,
# and so lose its place to tasks of other owners.
MAX_QUEUED_WITH_SLOT = 1


def mark_queued(queue: Queue, limit: int, max_per_owner: int) -> list[UUID]:
    """Mark the next ready tasks of a queue as queued; return their ids in order.

    :param limit: maximum number of ids to return.
    :param max_per_owner: maximum number of tasks of a user in the broker, including the tasks that
        are there already.
    """
    queued: list[UUID] = []
    # Parts with a concurrency limit come first. Each has at most one task in the broker, so most of
    # `limit` remains for the other tasks.
    for part in sorted(claimable_parts([queue]), key=lambda part: not part.slot):
        if chosen := _front_of(part, limit - len(queued), max_per_owner):
            marked = _mark_queued(chosen)
            queued += [task_id for task_id in chosen if task_id in marked]
    return queued


def requeue(ids: list[UUID]) -> None:
    """Change tasks back to waiting, because the broker did not accept their ids."""
    mine = update(OutboxTask).where(OutboxTask.id.in_(ids), OutboxTask.state == QUEUED)
    execute_in_own_transaction(mine.values(state=WAITING, available_at=now()))


def _mark_queued(ids: list[UUID]) -> set[UUID]:
    values = {'state': QUEUED, 'available_at': now() + QUEUED_TIMEOUT, **RELEASED}
    # Only one of several dispatchers finds a task ready.
    ready = update(OutboxTask).where(OutboxTask.id.in_(ids), OutboxTask.round_number.is_not(None))
    rows = execute_in_own_transaction(ready.values(**values).returning(OutboxTask.id))
    return {row.id for row in rows}


def _front_of(part: QueuePart, limit: int, max_per_owner: int) -> list[UUID]:
    """Return the ids of the next tasks of a part, in the order in which they run.

    :param max_per_owner: maximum number of tasks of a user in the broker, including the tasks that
        are there already. The tasks of the service and of operators have no such limit.
    """
    queued = _queued_by_owner(part)
    if part.slot:
        limit = min(limit, MAX_QUEUED_WITH_SLOT - sum(queued.values()))
    if limit <= 0:
        return []
    front = (
        select(OutboxTask.id, OutboxTask.owner_id)
        .where(is_ready_in(part, now()))
        .order_by(OutboxTask.round_number, OutboxTask.available_at)
        # A round has one task of each waiting owner. At most five owners have their whole share in
        # the broker (`dispatcher.MAX_QUEUED_TASKS`), so one of six rows has another owner.
        .limit(6 * (limit + 1))
    )
    chosen: list[UUID] = []
    for row in execute_select(front):
        queued[row.owner_id] += 1
        if row.owner_id <= 0 or queued[row.owner_id] <= max_per_owner:
            chosen.append(row.id)
    return chosen[:limit]


def _queued_by_owner(part: QueuePart) -> defaultdict[int, int]:
    """Return how many tasks of a part the broker has, by owner."""
    # This reads the queued tasks of all parts, which are few. With a condition on the part, SQLite
    # would scan all waiting tasks of the part.
    columns = (OutboxTask.queue, OutboxTask.slot, OutboxTask.owner_id)
    queued = select(*columns, func.count()).where(OutboxTask.state == QUEUED).group_by(*columns)
    counts = {owner: count for *found, owner, count in execute_select(queued) if part == (*found,)}
    return defaultdict(int, counts)
