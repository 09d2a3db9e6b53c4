"""Work for later: a row in the same transaction as what wants it done, and done at least once.

`@task` marks a function, `enqueue` writes it down; who works it off lives in `project.core.work`.
"""

from .attempts import current_attempt, once
from .outbox import enqueue, enqueue_at, forget_subject, will_be_done
from .refusals import GiveUp, LeaseLost
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
