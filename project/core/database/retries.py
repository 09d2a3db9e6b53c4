"""Retries of transactions that the database aborted because of concurrent ones."""

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import OperationalError

from project.core.metrics import Counter

from .engines import is_transaction_conflict
from .session import in_atomic

P = ParamSpec('P')
R = TypeVar('R')

REPEATED = Counter(
    'database_repeated_transactions_total',
    'Transactions that the database aborted because of others, and that were repeated.',
    owner=__name__,
)

MAX_TRANSACTION_ATTEMPTS = 3
MAX_RETRY_PAUSE_SECONDS = 0.05


def repeatable(function: Callable[P, R]) -> Callable[P, R]:
    """Repeat a service function if its transaction deadlocks or cannot be serialized.

    Put this decorator above `atomic`. Use it only for functions whose effects are all in the
    transaction or in `after_commit`, so that an aborted attempt has no effect. If the function is
    called inside a transaction, it is not repeated: only the outermost function can repeat the
    transaction.

    :raises OperationalError: if the last of `MAX_TRANSACTION_ATTEMPTS` attempts is aborted, too.
    """

    @wraps(function)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
        if in_atomic():
            return function(*args, **kwargs)
        for _ in range(MAX_TRANSACTION_ATTEMPTS - 1):
            try:
                return function(*args, **kwargs)
            except OperationalError as error:
                if not is_transaction_conflict(error):
                    raise
            REPEATED.increment()
            # A random pause, so that the same transactions do not collide again.
            time.sleep(random.uniform(0, MAX_RETRY_PAUSE_SECONDS))  # noqa: S311 - no secret
        return function(*args, **kwargs)

    return repeated
