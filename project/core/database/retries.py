"""Retries of transactions that the database aborted in favor of others."""

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import OperationalError

from .engines import is_transaction_conflict
from .session import in_atomic

P = ParamSpec('P')
R = TypeVar('R')

MAX_TRANSACTION_ATTEMPTS = 3
MAX_RETRY_PAUSE_SECONDS = 0.05


def repeatable(function: Callable[P, R]) -> Callable[P, R]:
    """Run a service function again if its transaction deadlocks or cannot be serialized.

    Put it above `atomic`, on functions that may run twice because all their effects are in the
    transaction or in `after_commit`. An aborted attempt leaves neither. Inside a transaction of the
    caller nothing is repeated: the outermost function decides.

    :raises OperationalError: if the third attempt is aborted, too.
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
            # At random, so that the same two transactions do not meet again.
            time.sleep(random.uniform(0, MAX_RETRY_PAUSE_SECONDS))  # noqa: S311 - no secret
        return function(*args, **kwargs)

    return repeated
