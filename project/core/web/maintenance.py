"""Maintenance mode: while a file exists, all routes except `/healthz` return 503.

The path of the file is absolute, so that the command, the workers and the proxy use the same file.
"""

import json
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, request

from project.core.clock import now, parse_rfc3339
from project.core.storage import find_status

from .responses.jsend import api_error

DEFAULT_RETRY_AFTER_SECONDS = 300  # if the end of the maintenance is unknown


def init_app(app: Flask) -> None:
    """Register `check_maintenance`, which looks for the maintenance file before each request.

    :raises SystemExit: if MAINTENANCE_FILE is not an absolute path.
    """
    if not Path(app.config['MAINTENANCE_FILE']).is_absolute():
        raise SystemExit('MAINTENANCE_FILE must be an absolute path')
    app.before_request(check_maintenance)


def check_maintenance() -> Response | None:
    """Return 503 while the maintenance file exists, even if its content is invalid.

    No warning is logged, because maintenance is not a fault.
    """
    if request.path == '/healthz' or (state := maintenance()) is None:
        return None
    reason = str(state.get('reason') or 'Currently in maintenance')
    return api_error(reason, 503, {'Retry-After': str(_seconds(state))})


def maintenance() -> dict[str, object] | None:
    """Return `reason` and `until` from the file while maintenance mode is on, else None."""
    file = Path(current_app.config['MAINTENANCE_FILE'])
    try:
        # This runs in each request, and `stat` is faster than a failing `open`.
        if not find_status(file):
            return None
        state = json.loads(file.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        # An empty file (made by `touch`) or an unreadable one turns maintenance mode on, too.
        return {}
    return state if isinstance(state, dict) else {}


def _seconds(state: dict[str, Any]) -> int:
    try:
        until = parse_rfc3339(state['until'])
        return max(1, int((until - now()).total_seconds()))
    except (KeyError, TypeError, ValueError):
        return DEFAULT_RETRY_AFTER_SECONDS
