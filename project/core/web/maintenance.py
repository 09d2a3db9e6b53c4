"""Maintenance: while a file exists, every route but `/healthz` answers 503 with `Retry-After`.

The file's path is absolute, so that it is the same one for the command, the workers and the proxy.
"""

import json
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, request

from project.core.clock import now, parse_rfc3339

from .responses.jsend import api_error

DEFAULT_RETRY_AFTER_SECONDS = (
    300  # seconds after which to ask again when nobody said how long it takes
)


def init_app(app: Flask) -> None:
    """Look for the file before every request."""
    if not Path(app.config['MAINTENANCE_FILE']).is_absolute():
        raise SystemExit('MAINTENANCE_FILE must be an absolute path')
    app.before_request(check_maintenance)


def check_maintenance() -> Response | None:
    """Answer 503 while the file is there, whatever is in it. Nothing is wrong, so nobody warns."""
    if request.path == '/healthz' or (state := maintenance()) is None:
        return None
    reason = str(state.get('reason') or 'Currently in maintenance')
    return api_error(reason, 503, {'Retry-After': str(_seconds(state))})


def maintenance() -> dict[str, Any] | None:
    """Return `reason` and `until` while the service is under maintenance, else None."""
    file = Path(current_app.config['MAINTENANCE_FILE'])
    # Every request asks, and to fail to open costs more than to look.
    if not file.exists():
        return None
    try:
        state = json.loads(file.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        # An empty file made by `touch` says as much, and so does one that cannot be read.
        return {}
    return state if isinstance(state, dict) else {}


def _seconds(state: dict[str, Any]) -> int:
    try:
        until = parse_rfc3339(state['until'])
        return max(1, int((until - now()).total_seconds()))
    except (KeyError, TypeError, ValueError):
        return DEFAULT_RETRY_AFTER_SECONDS
