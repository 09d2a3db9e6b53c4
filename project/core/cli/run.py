"""`flask run`: Flask's own command, which also starts task workers."""

from copy import copy
from typing import Any

import click
from flask import Flask
from flask.cli import ScriptInfo, run_command
from flask.helpers import get_debug_flag
from werkzeug.serving import is_running_from_reloader


def _serve(reload: bool | None, **options: Any) -> Any:
    assert run_command.callback is not None  # noqa: S101 - for the type checker
    # Imported here: every `flask` command imports this module, even `flask secret-key`.
    from project.core.task_workers import background_task_workers, runs_tasks_in_process

    app = None if _is_reloader(reload) else _loaded()
    if app is None or not runs_tasks_in_process(app):
        return run_command.callback(reload=reload, **options)
    with background_task_workers(app):
        return run_command.callback(reload=reload, **options)


def _is_reloader(reload: bool | None) -> bool:
    """Return whether this process is the reloader, which does not serve but restarts the server."""
    return (get_debug_flag() if reload is None else reload) and not is_running_from_reloader()


def _loaded() -> Flask | None:
    """Return the application, or None if it cannot be loaded.

    An error is ignored here, because Flask's own command loads the application again and then
    prints the error.
    """
    info = click.get_current_context().find_object(ScriptInfo)
    try:
        return info.load_app() if info else None
    except Exception:
        return None


run = copy(run_command)
run.callback = _serve
