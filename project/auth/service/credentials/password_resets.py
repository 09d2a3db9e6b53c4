"""Reset of forgotten passwords with a PIN that is mailed to the stored email address."""

from datetime import datetime

from sqlalchemy import delete

from project.auth.errors import WrongPin
from project.auth.models import ApiKey, Credential, Device, EmailChange
from project.core.clock import now
from project.core.database.retries import repeatable
from project.core.database.session import atomic, db, locks_user, non_atomic
from project.core.database.upsert import upsert
from project.core.security.password_hashing import hash_password
from project.core.tasks import complete_with_transaction, enqueue, task
from project.users import service as users
from project.users.models import ACTIVE
from project.users.rows import UserRow

from ..attempt_counters import LOGIN_NAME, login_target
from ..security_events import SYSTEM, record_security_event
from .devices import add_device
from .passwords import check_new_password, end_sessions_after
from .pins import RESET_PURPOSE, VerifiedPin, consume_pin, mail_pin, verify_pin


@atomic()
def request_reset(email: str) -> None:
    """Mail a PIN for a new password to the active user with this email address.

    The result is the same for all email addresses, because only the task (`send_reset`) looks the
    email address up and counts the mails.
    """
    enqueue(send_reset, email, now().isoformat())


@atomic()
def start_reset(login: str) -> UserRow:
    """Mail a PIN for a new password to a user; return the user.

    Operators can start a reset, but never set a password (ASVS 6.4.6).

    :raises UserNotFound: if no user has this username or email address.
    """
    user = users.get_user_by_login(login)
    enqueue(send_reset, user.email, now().isoformat())
    record_security_event('password_reset_started', user.id)
    return user


@task(idempotent='a second run sends no mail', queue='mail')
def send_reset(email: str, requested_at: str | None = None) -> None:
    """Mail a PIN for a new password to the active user with an email address.

    Sends nothing if the password was changed after the request: a change of the password voids all
    earlier PINs and requests.

    :param requested_at: when the PIN was requested, as ISO 8601; None in a task of an older
        version.
    """
    found = users.find_user_by_login(email)
    # The user is locked, so that the password cannot change between this check and the storage of
    # the PIN.
    with atomic(locking=[found.id] if found else []):
        complete_with_transaction()
        user = users.find_user(found.id) if found else None
        if user is None or user.status != ACTIVE:
            return
        moment = datetime.fromisoformat(requested_at) if requested_at else now()
        if Credential.was_changed_after(user.id, moment):
            return
        is_mailed = mail_pin(
            'password_reset',
            RESET_PURPOSE,
            # Mail the stored email address, never the one in the request (CVE-2019-19844).
            to=user.email,
            about=user.id,
            username=user.username,
            name=user.name,
        )
        if is_mailed:
            record_security_event('password_reset_requested', user.id, actor=SYSTEM)


@non_atomic
def reset_password(*, email: str, pin: str, new_password: str) -> str:
    """Set a new password with a PIN; revoke sessions, API keys and known devices.

    Opens no session: the next login still requires the second factor (ASVS 6.4.3).

    :returns: the token of a new known device. If the next login sends it, failed logins of
        strangers do not block it. All devices that resets create share one OTP counter, so that
        further resets give no further attempts at the second factor.
    :raises PasswordTooWeak: if the new password is weak; the PIN stays valid.
    :raises WrongPin: if the PIN is wrong, used, expired or replaced, or the user is not active.
    :raises TooManyAttempts: if the network sent too many wrong PINs.
    """
    check_new_password(new_password, words=[email], field='new_password')
    user = users.find_user_by_login(email)
    verified = verify_pin(RESET_PURPOSE, pin, emails=[user.email if user else email])
    if user is None:
        raise WrongPin
    # Check this only after the PIN: the error reveals which username belongs to the email address.
    check_new_password(new_password, words=[user.username], field='new_password')
    device = _replace(user.id, user, verified, hash_password(new_password))
    # Failed logins with the old password must not block the login with the new one.
    for login in (user.username, user.email):
        LOGIN_NAME.reset(login_target(login, user))
    return device


@repeatable
@locks_user('user_id')
def _replace(user_id: int, user: UserRow, verified: VerifiedPin, password_hash: str) -> str:
    consume_pin(RESET_PURPOSE, verified)
    if not users.is_active(user_id):
        raise WrongPin
    fresh = {'password_hash': password_hash, 'changed_at': now(), 'expires_at': None}
    stored = upsert(Credential, {'user_id': user.id, **fresh}, conflict=['user_id'], change=fresh)
    db.session.execute(stored)
    for model in (ApiKey, EmailChange):
        db.session.execute(delete(model).where(model.user_id == user.id))
    db.session.execute(delete(Device).where(Device.user_id == user.id))
    _, device = add_device(user.id)
    end_sessions_after('password_reset', user)
    return device
