"""Counts of the requests to deprecated routes, per caller and day.

Each process keeps its counts in memory and adds them to the table every few seconds, after a
response was sent. So a request waits for no statement. A killed process loses the counts of the
last seconds.
"""

from .buffer import CallBuffer, caller_of
from .rows import (
    KEPT_DAYS,
    delete_calls_except_of,
    delete_calls_of,
    export_calls,
    list_callers,
)

__all__ = [
    'KEPT_DAYS',
    'CallBuffer',
    'caller_of',
    'delete_calls_except_of',
    'delete_calls_of',
    'export_calls',
    'list_callers',
]
