"""The response header `Server-Timing`, and warnings about repeated statements, in development.

In other environments `init_app` registers nothing, so requests and statements cost nothing more.
"""

import logging
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, g, has_request_context, request
from sqlalchemy import event

from project.core.database.compiled_query import report_queries
from project.core.database.session import db

# A statement that runs more often in one request is probably in a loop over rows (N+1).
MAX_REPETITIONS = 5
MAX_SHOWN_CHARACTERS = 500

# Statements that begin and end transactions and savepoints are not counted.
COUNTED_PATTERN = re.compile(r'\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b', re.IGNORECASE)

log = logging.getLogger(__name__)


@dataclass
class _Figures:
    """The statements of a request.

    :param began: the time at which the request began, in seconds of `time.perf_counter`.
    :param sql_seconds: the sum of the times of all statements.
    """

    began: float = field(default_factory=time.perf_counter)
    sql_seconds: float = 0.0
    statements: Counter[str] = field(default_factory=Counter)


def init_app(app: Flask) -> None:
    """Measure the requests and statements of an application, if its environment is development."""
    if not app.config['DEVELOPMENT']:
        return
    app.before_request(_begin)
    app.after_request(_add_header)
    report_queries(_count)
    with app.app_context():
        event.listen(db.engine, 'before_cursor_execute', start_statement)
        event.listen(db.engine, 'after_cursor_execute', count_statement)


def _begin() -> None:
    g.figures = _Figures()


def _add_header(response: Response) -> Response:
    """Add the number and the time of the statements, and the time until the response began."""
    figures: _Figures | None = g.pop('figures', None)
    if figures is not None:
        seconds = time.perf_counter() - figures.began
        response.headers['Server-Timing'] = (
            f'sql;dur={figures.sql_seconds * 1000:.2f};desc="{figures.statements.total()}", '
            f'total;dur={seconds * 1000:.2f};desc="request"'
        )
        _warn_about_repetitions(figures)
    return response


def _warn_about_repetitions(figures: _Figures) -> None:
    for statement, count in figures.statements.most_common():
        if count <= MAX_REPETITIONS:
            return
        text = ' '.join(statement.split())
        log.warning(
            '%s %s ran one statement %d times (N+1?): %s',
            request.method,
            request.url_rule.rule if request.url_rule else request.path,
            count,
            text if len(text) <= MAX_SHOWN_CHARACTERS else f'{text[:MAX_SHOWN_CHARACTERS]}…',
        )


def start_statement(_c: Any, _cursor: Any, _s: str, _p: Any, context: Any, _many: bool) -> None:
    """Store the time at which a statement starts."""
    if context is not None:
        context.began = time.perf_counter()


def count_statement(
    _c: Any, _cursor: Any, statement: str, _p: Any, context: Any, _many: bool
) -> None:
    """Add a statement and its time to the figures of the request."""
    if context is not None and COUNTED_PATTERN.match(statement):
        _count(statement, time.perf_counter() - context.began)


def _count(statement: str, seconds: float) -> None:
    figures: _Figures | None = g.get('figures') if has_request_context() else None
    if figures is not None:
        figures.sql_seconds += seconds
        figures.statements[statement] += 1
