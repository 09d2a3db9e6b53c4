"""Work for later: a row in the same transaction as what wants it done, and done at least once.

`@task` marks a function, `enqueue` writes it down. `project.core.task_workers` runs it.
"""

from .attempts import current_attempt, once
from .errors import GiveUp, LeaseLost
from .outbox import enqueue, enqueue_at, forget_subject, will_be_done
from .registry import task

__all__ = [
    'GiveUp',
    'LeaseLost',
    'current_attempt',
    'enqueue',
    'enqueue_at',
    'forget_subject',
    'once',
    'task',
    'will_be_done',
]
