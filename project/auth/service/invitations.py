"""Invitations: a code in a mail, with which a person sets a password and creates an account."""

import hmac
from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import delete

from project.auth.errors import InvitationInvalid, UsernameMissing
from project.auth.models import Credential, Invitation
from project.auth.rows import InvitationRow
from project.core.clock import now
from project.core.database.retries import repeatable
from project.core.database.session import atomic, db, non_atomic
from project.core.database.upsert import upsert
from project.core.mail import send_mail
from project.core.security.password_hashing import hash_password
from project.core.security.principal import Principal
from project.core.tasks import complete_with_transaction, enqueue, task
from project.users import service as users
from project.users.errors import RoleUnknown
from project.users.models import ACTIVE, email_key, permissions_of
from project.users.permissions import INVITE, MEMBER, WRITE
from project.users.rows import UserRow

from .accounts import (
    create_user_with_credential,
    delete_registrations,
    send_already_registered_notice,
)
from .attempt_counters import INVITATION, is_within_limit
from .credentials.passwords import check_new_password
from .credentials.pins import new_code, normalize_code
from .security_events import FAILURE, SYSTEM, record_security_event

INVITATION_LIFETIME = timedelta(days=7)
BATCH_USERS = 100


@atomic()
def invite(asker: Principal, *, email: str, roles: Iterable[str] = (MEMBER,)) -> None:
    """Mail an invitation to an email address. An earlier invitation becomes invalid.

    If a user with a password has the email address, a notice is mailed instead.

    :raises RoleUnknown: if a role does not exist.
    :raises PrivilegeEscalation: if the caller does not hold all permissions of the roles.
    """
    users.check_roles(roles, by=asker)
    enqueue(send_invitation, email, sorted(roles), asker.user_id)


def on_users_created_invite(
    _sender: object, *, user_ids: list[int], invite: bool, by: int | None
) -> None:
    """If `invite` is true, enqueue tasks that invite the new users, `BATCH_USERS` per task."""
    for start in range(0, len(user_ids) if invite else 0, BATCH_USERS):
        enqueue(invite_users, user_ids[start : start + BATCH_USERS], by)


@task(
    idempotent='a second run invites no user again',
    time_limit=timedelta(minutes=5),
    subject_argument='invited_by',
)
def invite_users(user_ids: list[int], invited_by: int | None = None) -> None:
    """Mail an invitation to each of the given users who has no password yet.

    :param invited_by: the id of the user who created them; None if an operator did.
    """
    with atomic():
        complete_with_transaction()
        for user_id in user_ids:
            if user := users.find_user(user_id):
                enqueue(send_invitation, user.email, [], invited_by)


@task(idempotent='a second run sends no mail', queue='mail', subject_argument='invited_by')
def send_invitation(email: str, roles: list[str], invited_by: int | None) -> None:
    """Mail an invitation code, or a notice to a user who has a password."""
    with atomic(locking=[invited_by] if invited_by else []):
        complete_with_transaction()
        user = users.find_user_by_login(email)
        if not _may_invite(invited_by, user.roles if user else roles):
            # The inviting user was disabled, deleted or demoted, or lacks permissions of the
            # invited user. The invitation could not be accepted, so it must not replace a valid
            # one.
            return
        if user and Credential.find_hash(user.id):
            send_already_registered_notice(user)
        elif user is None or user.status == ACTIVE:
            _mail(user, user.email if user else email, roles, invited_by)


@non_atomic
def accept_invitation(
    *, email: str, code: str, password: str, username: str | None = None
) -> UserRow:
    """Set the password of an invited user. If the user does not exist yet, create the user.

    Attempts are not counted: a code of 80 bits cannot be guessed.

    :raises InvitationInvalid: if the code is wrong, or the inviting user no longer has the
        permissions of the roles (ASVS 8.3.3).
    :raises UsernameMissing: if the user is new and `username` is None, or the user exists and has
        another username.
    :raises ApiError: if the password is weak, or the username is invalid, reserved or taken.
    """
    check_new_password(password, words=[email, username or ''])
    found = Invitation.find_pending(email_key(email))
    is_right = hmac.compare_digest(found.code_hash if found else bytes(32), _hashed(code))
    if found is None or not is_right:
        _record_failure()
        raise InvitationInvalid
    user = users.find_user_by_login(email)
    if user is None and username is None:
        raise UsernameMissing
    if user and username and username.lower() != user.username:
        raise UsernameMissing('This account has another username: send no username')
    return _accept(found, user, username, hash_password(password))


def _mail(user: UserRow | None, email: str, roles: list[str], invited_by: int | None) -> None:
    """Mail an invitation, at most ten a day to one mailbox."""
    if not is_within_limit(INVITATION, email_key(email)):
        return
    code = new_code()
    fresh = {
        'email': email, 'roles': roles, 'code_hash': _hashed(code), 'invited_by': invited_by,
        'created_at': now(), 'expires_at': now() + INVITATION_LIFETIME,
    }  # fmt: skip
    values = {'email_key': email_key(email), **fresh}
    db.session.execute(upsert(Invitation, values, conflict=['email_key'], change=fresh))
    record_security_event('invited', user.id if user else None, actor=SYSTEM, by=invited_by)
    send_mail(
        'invitation',
        to=email,
        # The deletion of the inviting user invalidates the code, too.
        about=user.id if user else invited_by,
        secret={'code': code},
        lifetime=INVITATION_LIFETIME.total_seconds(),
    )


@atomic()
def _record_failure() -> None:
    record_security_event('invitation', None, outcome=FAILURE)


@repeatable
def _accept(
    found: InvitationRow, user: UserRow | None, username: str | None, password_hash: str
) -> UserRow:
    concerned = user.id if user else None, found.invited_by
    with atomic(locking={user_id for user_id in concerned if user_id}):
        return _accept_locked(found, user, username, password_hash)


def _accept_locked(
    found: InvitationRow, user: UserRow | None, username: str | None, password_hash: str
) -> UserRow:
    used = delete(Invitation).where(
        Invitation.email_key == found.email_key, Invitation.code_hash == found.code_hash
    )
    if db.session.execute(used.returning(Invitation.email_key)).one_or_none() is None:
        raise InvitationInvalid
    if user is None:
        _ensure_roles_can_be_granted(found)
        user = create_user_with_credential(
            username or '', found.email, password_hash, found.roles or [MEMBER]
        )
    elif Credential.find_hash(user.id) is not None or not _can_be_accepted(found, user.id):
        raise InvitationInvalid
    else:
        db.session.add(Credential(user_id=user.id, password_hash=password_hash))
    delete_registrations(found.email_key)
    record_security_event('invitation_accepted', user.id)
    return user


def _ensure_roles_can_be_granted(found: InvitationRow) -> None:
    if not _may_invite(found.invited_by, found.roles):
        raise InvitationInvalid
    try:
        users.check_roles(found.roles)
    except RoleUnknown:
        raise InvitationInvalid from None


def _can_be_accepted(found: InvitationRow, user_id: int) -> bool:
    user = users.get_user(user_id)
    return user.status == ACTIVE and _may_invite(found.invited_by, user.roles)


def _may_invite(user_id: int | None, roles: Iterable[str]) -> bool:
    """Return whether a user may currently invite with these roles.

    The user needs the permissions of the roles. The user also needs `users:invite` or
    `users:write`, because the routes that invite or create users require one of them.

    :param user_id: the inviting user; None for an operator.
    """
    if user_id is None:
        return True
    can_invite = not users.find_permissions(user_id).isdisjoint({INVITE, WRITE})
    return can_invite and users.may_grant(user_id, permissions_of(roles))


def _hashed(code: str) -> bytes:
    return sha256(normalize_code(code).encode()).digest()
