"""Deletion of users: the account is closed immediately; a task erases the data in batches."""

from datetime import timedelta

from sqlalchemy import delete, select

from project.core.database.retries import repeatable
from project.core.database.session import atomic, db, execute_select, locks_user
from project.core.deprecated_calls import delete_calls_except_of
from project.core.security.principal import Principal
from project.core.stored_objects import release_objects
from project.core.tasks import enqueue, task
from project.core.version_preconditions import ANY_VERSION, Precondition
from project.users.models import DELETED, User
from project.users.personal_data import Erase, personal_data_registry
from project.users.signals import user_deleted

from .authorization import ensure_can_delete, ensure_not_last_admin, update_user_row
from .personal_data import erase_user_data
from .users import get_user


@repeatable
@locks_user('user_id')
def delete_user(
    user_id: int, *, by: Principal | None = None, expected: Precondition = ANY_VERSION
) -> None:
    """Close the account of a user, and enqueue the erasure of all their data.

    After the commit, no function finds the user. Credentials and share links are invalid, and
    username and email address are available. The time does not depend on the amount of data.

    :raises UserNotFound: if the user does not exist.
    :raises UserChanged: if the user does not meet the condition.
    :raises LastAdmin: if no other admin would remain.
    :raises PrivilegeEscalation: if the user has a permission that the credential of `by` lacks.
    :raises ReauthenticationRequired: if users delete themselves without a fresh login.
    """
    User.lock_for_deletion(user_id)
    user = get_user(user_id)
    ensure_can_delete(by, user)
    ensure_not_last_admin(user_id)
    avatar = User.find_avatar_key(user_id)
    update_user_row(user_id, User.closed_values(user_id), expected)
    user_deleted.send('users', user_id=user_id, email=user.email, by=by.user_id if by else None)
    # Call this after the receivers of other features, because rows of tasks are locked last.
    erase_user_data(user_id)
    if avatar:
        release_objects([avatar])
    enqueue(erase_user, user_id)


@task(
    idempotent='each batch is committed, and a second run continues after the last one',
    unique=['user_id'],
    attempts=20,
    time_limit=timedelta(hours=6),
    queue='slow',
    owner_argument='user_id',
)
def erase_user(user_id: int) -> None:
    """Erase all data of a deleted user, then the row of the user."""
    for personal_data in personal_data_registry():
        while _erase_batch(personal_data.erase, user_id):
            pass
    _delete_row(user_id)


@task(idempotent='the erasure of a user is enqueued once', cron='47 2 * * *')
def resume_erasures() -> None:
    """Enqueue the erasure of each deleted user whose row still exists, every night.

    An erasure that failed 20 times is a dead letter. This task starts it again. It also deletes the
    counts of deprecated routes that a process has written after the erasure.
    """
    with atomic():
        delete_calls_except_of(select(User.id))
    closed = select(User.id).where(User.status == DELETED)
    for user_id in execute_select(closed).scalars().all():
        with atomic():
            enqueue(erase_user, user_id)


@locks_user('user_id')
def _erase_batch(erase: Erase, user_id: int) -> bool:
    """Run one transaction of the erasure of a user; return whether there is more to erase."""
    return User.is_closed(user_id) and bool(erase(user_id))


@atomic()
def _delete_row(user_id: int) -> None:
    # If a row still references the user, this DELETE fails, and the task is retried.
    User.lock_for_deletion(user_id)
    db.session.execute(delete(User).where(User.id == user_id, User.status == DELETED))
