"""Background tasks. They are stored in the outbox, a table, and run at least once.

`@task` marks a function as a task. `enqueue` stores a call of it in the caller's transaction.
`project.core.task_workers` runs the stored calls.
"""

from .attempts import complete_with_transaction, current_attempt
from .errors import LeaseLost, PermanentFailure
from .outbox import (
    count_pending,
    delete_tasks_of_subject,
    enqueue,
    enqueue_at,
    gave_up_since,
    is_pending,
)
from .registry import TaskSlot, task

__all__ = [
    'LeaseLost',
    'PermanentFailure',
    'TaskSlot',
    'complete_with_transaction',
    'count_pending',
    'current_attempt',
    'delete_tasks_of_subject',
    'enqueue',
    'enqueue_at',
    'gave_up_since',
    'is_pending',
    'task',
]
