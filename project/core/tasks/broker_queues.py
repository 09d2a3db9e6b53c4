"""Selection of the tasks whose ids are sent to the broker: a few at a time, from each owner.

The owner of a task is the user for whom it runs. The broker does not distinguish owners: there, a
task waits for all earlier tasks of other owners.
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

# Maximum number of tasks in the broker that need a slot of the same concurrency limit. With two
# such tasks, one could always find the slot taken by the other. It would return to the outbox each
# time, behind tasks of other owners.
MAX_QUEUED_WITH_SLOT = 1


def mark_queued(queue: Queue, limit: int, max_per_owner: int) -> list[UUID]:
    """Mark the next ready tasks of a queue as sent to the broker; return their ids in order.

    :param limit: maximum number of ids to return.
    :param max_per_owner: maximum number of tasks of one user in the broker, including those that
        are there already.
    """
    queued: list[UUID] = []
    # Tasks that need a slot of a concurrency limit come first. At most one of them per limit is in
    # the broker, so most of `limit` remains for the other tasks.
    for part in sorted(claimable_parts([queue]), key=lambda part: not part.slot):
        if chosen := _front_of(part, limit - len(queued), max_per_owner):
            marked = _mark_queued(chosen)
            queued += [task_id for task_id in chosen if task_id in marked]
    return queued


def requeue(ids: list[UUID]) -> None:
    """Mark tasks as waiting again, because the broker did not accept their ids."""
    mine = update(OutboxTask).where(OutboxTask.id.in_(ids), OutboxTask.state == QUEUED)
    execute_in_own_transaction(mine.values(state=WAITING, available_at=now()))


def _mark_queued(ids: list[UUID]) -> set[UUID]:
    values = {'state': QUEUED, 'available_at': now() + QUEUED_TIMEOUT, **RELEASED}
    # Several dispatchers may choose the same task. The condition holds only for the first of them.
    ready = update(OutboxTask).where(OutboxTask.id.in_(ids), OutboxTask.round_number.is_not(None))
    rows = execute_in_own_transaction(ready.values(**values).returning(OutboxTask.id))
    return {row.id for row in rows}


def _front_of(part: QueuePart, limit: int, max_per_owner: int) -> list[UUID]:
    """Return the ids of the next tasks of a queue part, in the order in which they run.

    :param part: a queue and a concurrency limit (see `QueuePart`).
    :param max_per_owner: maximum number of tasks of one user in the broker, including those that
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
        # Read more rows than needed, because rows of some owners are skipped: at most five owners
        # have reached `max_per_owner` (`dispatcher.MAX_QUEUED_TASKS`). Successive rows have
        # different owners, so at least one of six rows is not skipped.
        .limit(6 * (limit + 1))
    )
    chosen: list[UUID] = []
    for row in execute_select(front):
        queued[row.owner_id] += 1
        if row.owner_id <= 0 or queued[row.owner_id] <= max_per_owner:
            chosen.append(row.id)
    return chosen[:limit]


def _queued_by_owner(part: QueuePart) -> defaultdict[int, int]:
    """For a part of a queue, return the number of tasks in the broker by the id of their owner."""
    # This query reads the tasks of all parts that are in the broker, which are few. With a
    # condition on the part, SQLite would scan all waiting tasks of the part.
    columns = (OutboxTask.queue, OutboxTask.slot, OutboxTask.owner_id)
    queued = select(*columns, func.count()).where(OutboxTask.state == QUEUED).group_by(*columns)
    counts = {owner: count for *found, owner, count in execute_select(queued) if part == (*found,)}
    return defaultdict(int, counts)
