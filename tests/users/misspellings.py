"""Misspelt names of the core and of the feature `users`; the type checker must report each.

The code is never run. `make types` checks the modules `tests/<feature>/misspellings.py`. Each
misspelt line has a `type: ignore` comment with the code of its error. If mypy does not find this
error, it reports the comment (`warn_unused_ignores`).
"""

from uuid import UUID

from flask import Flask

from project.core.database.keyset_pagination import PageRequest
from project.core.storage import STORAGE
from project.core.tasks import inspection, leases
from project.users import errors, permissions
from project.users import service as users
from project.users.models import User


def columns(user_id: int, task_id: UUID) -> list[object]:
    """Misspelt columns of rows, from models, services, lists and tasks."""
    user, task = users.get_user(user_id), leases.claim_next(task_id)
    assert task is not None
    return [
        user.usernmae,  # type: ignore[attr-defined]
        task.argument,  # type: ignore[attr-defined]
        users.list_users(PageRequest()).items[0].mail,  # type: ignore[attr-defined]
        inspection.task_stats()[0].wait,  # type: ignore[attr-defined]
        User.usernmae,  # type: ignore[attr-defined]
    ]


def names(app: Flask) -> object:
    """Misspelt permissions, errors, application values and arguments."""
    return (
        permissions.PROFILE_WRIET,  # type: ignore[attr-defined]
        errors.UserNotFuond,  # type: ignore[attr-defined]
        errors.UserNotFound().felid,  # type: ignore[attr-defined]
        STORAGE.of(app).exist('key'),  # type: ignore[attr-defined]
        users.create_user(usernmae='ada', email='a@example.com'),  # type: ignore[call-arg]
    )
