"""Code with misspelt names, each of which the type checker must report. It is never run.

`make types` checks this module. Each misspelt line has a `type: ignore` comment with the code of
its error. If mypy does not find this error, it reports the comment (`warn_unused_ignores`).
"""

from uuid import UUID

from flask import Flask

from project.auth import service as auth
from project.auth.models import ApiKey, Session, Totp
from project.auth.routes.accounts import AccountCreateBody
from project.auth.routes.sessions import SessionCreateBody
from project.core.database.keyset_pagination import PageRequest
from project.core.storage import STORAGE
from project.core.tasks import inspection, leases
from project.files import permissions as file_permissions
from project.files import service as files
from project.files.models import File, Link
from project.files.routes.files import FilePatchBody
from project.users import errors as user_errors
from project.users import permissions as user_permissions
from project.users import service as users
from project.users.models import User


def columns(user_id: int, file_id: UUID) -> list[object]:
    """Misspelt columns of rows, from models, services, lists and tasks."""
    user, file = users.get_user(user_id), files.get_file(user_id, file_id)
    session, link = Session.find_live('hash'), Link.find_live('hash')
    key, totp = ApiKey.find_live('hash'), Totp.find(user_id)
    task = leases.claim_next(file_id)
    assert session is not None
    assert link is not None
    assert key is not None
    assert totp is not None
    assert task is not None
    return [
        user.usernmae,  # type: ignore[attr-defined]
        file.sha265,  # type: ignore[attr-defined]
        session.sesion_id,  # type: ignore[attr-defined]
        link.ownerid,  # type: ignore[attr-defined]
        key.scope,  # type: ignore[attr-defined]
        totp.confirmed,  # type: ignore[attr-defined]
        task.argument,  # type: ignore[attr-defined]
        users.list_users(PageRequest()).items[0].mail,  # type: ignore[attr-defined]
        next(auth.list_keys_of(user_id)).expires,  # type: ignore[attr-defined]
        inspection.task_stats()[0].wait,  # type: ignore[attr-defined]
        User.usernmae,  # type: ignore[attr-defined]
        File.find_owned(user_id, file_id).nmae,  # type: ignore[union-attr]
    ]


def bodies(account: AccountCreateBody, login: SessionCreateBody, change: FilePatchBody) -> object:
    """Misspelt fields of request bodies."""
    return (
        account['usernmae'],  # type: ignore[typeddict-item]
        login['pasword'],  # type: ignore[typeddict-item]
        change['tag'],  # type: ignore[typeddict-item]
    )


def names(app: Flask) -> object:
    """Misspelt permissions, errors, application values and arguments."""
    return (
        file_permissions.RAED,  # type: ignore[attr-defined]
        user_permissions.PROFILE_WRIET,  # type: ignore[attr-defined]
        user_errors.UserNotFuond,  # type: ignore[attr-defined]
        user_errors.UserNotFound().felid,  # type: ignore[attr-defined]
        STORAGE.of(app).exist('key'),  # type: ignore[attr-defined]
        users.create_user(usernmae='ada', email='a@example.com'),  # type: ignore[call-arg]
    )
