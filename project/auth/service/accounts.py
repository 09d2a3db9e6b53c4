"""Registration and verification of accounts, without revealing which email addresses are known."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete

from project.auth.errors import WrongPin
from project.auth.models import Credential, Pin, Registration
from project.core.clock import now
from project.core.database.retries import repeatable
from project.core.database.session import atomic, db, non_atomic
from project.core.database.upsert import upsert
from project.core.mail import send_mail
from project.core.security.password_hashing import hash_password, verify_password
from project.core.tasks import complete_with_transaction, enqueue, task
from project.users import service as users
from project.users.errors import UsernameTaken
from project.users.models import email_key
from project.users.permissions import ADMIN, MEMBER
from project.users.rows import UserRow

from .attempt_counters import (
    ALREADY_REGISTERED,
    NOTICE_MAIL,
    REGISTRATION,
    is_within_limit,
    mail_target,
)
from .credentials.passwords import GENERATED_PASSWORD_LIFETIME, check_new_password
from .credentials.pins import (
    VERIFICATION_PURPOSE,
    VerifiedPin,
    consume_pin,
    mail_pin,
    record_pin_failure,
    verify_pin,
)
from .security_events import SYSTEM, record_security_event

REGISTRATION_LIFETIME = timedelta(hours=24)


class CreatedAccount(NamedTuple):
    """A new user, the password, and the expiry of the password (None if it never expires)."""

    user: UserRow
    password: str
    expires_at: datetime | None


@non_atomic
def register(*, username: str, email: str, password: str, name: str = '') -> None:
    """Store a registration for 24 hours; mail its PIN, or a notice to a known user.

    Registrations of known and unknown email addresses take the same time and write the same rows,
    because only the later task (`send_verification`) looks the email address up. A repeated
    registration with the same username, email address and password restarts the 24 hours of the
    pending registration. It never changes the password of that registration.

    :raises PasswordTooWeak: if the password is weak.
    :raises ApiError: if the username is invalid or reserved.
    :raises UsernameTaken: if a user or another pending registration has the username.
    :raises TooManyAttempts: after ten registrations a day for one email address.
    """
    check_new_password(password, words=[username, email])
    username, key = users.validate_new_username(username), email_key(email)
    # Count before the check of the password: the response to a repeated registration reveals
    # whether the password is right.
    REGISTRATION.consume(key)
    # Hash before the transaction begins: on SQLite, a transaction holds the only write lock.
    _keep_registration(username, email, name, _hash_to_keep(username, key, password))


@atomic()
def resend_verification(email: str) -> None:
    """Mail a new PIN to a pending registration, or a notice to a known email address.

    The result is the same for all email addresses, because only the task (`send_verification`)
    looks the email address up and counts the mails.
    """
    enqueue(send_verification, email)


@task(idempotent='a second run sends no mail', queue='mail')
def send_verification(email: str) -> None:
    """Mail a new PIN to a pending registration, or a notice to a user.

    Does nothing if there is neither. This is a task, so that requests take the same time and write
    the same row for known and unknown email addresses.
    """
    with atomic():
        complete_with_transaction()
        waiting = Registration.find_pending(email_key(email))
        if not waiting:
            return
        if known := users.find_user_by_login(email):
            send_already_registered_notice(known)
        else:
            same = [registration for registration in waiting if registration.email == email]
            _mail_verification((same or waiting)[0].email)


def send_already_registered_notice(known: UserRow) -> None:
    """Notify a user of an attempt to register their email address.

    Call it inside `atomic`. A mailbox gets at most ten such mails a day.
    """
    if not is_within_limit(NOTICE_MAIL, mail_target(ALREADY_REGISTERED, email_key(known.email))):
        return
    # Mail the stored email address, never the one in the request (CVE-2019-19844).
    send_mail(
        'already_registered',
        to=known.email,
        about=known.id,
        username=known.username,
        name=known.name,
    )


@non_atomic
def verify_account(*, email: str, pin: str, password: str) -> UserRow:
    """Create the user of a registration after a check of its PIN and its password.

    The password check prevents an attack: a stranger registers the email address of another person.
    With the PIN alone, that person would confirm an account whose password the stranger knows. The
    PIN verifies only registrations of the exact email address to which it was mailed.

    :raises WrongPin: if the PIN or the password is wrong, or the registration has expired.
    """
    waiting = Registration.find_pending(email_key(email))
    emails = [registration.email for registration in waiting] or [email]
    verified = verify_pin(VERIFICATION_PURPOSE, pin, emails=emails)
    for registration in waiting:
        if registration.email == verified.email and verify_password(
            registration.password_hash, password
        ):
            return _create_verified_user(registration, verified)
    record_pin_failure(VERIFICATION_PURPOSE)
    raise WrongPin


@non_atomic
def create_account(
    *, username: str, email: str, password: str | None = None, admin: bool = False
) -> CreatedAccount:
    """Create a user who can log in immediately. Without `password`, generate one.

    Operators use it to create the first admin, because there are no default accounts (ASVS 6.3.2).

    :raises ApiError: if the password is weak, or the username is invalid, reserved or taken.
    """
    chosen = password or secrets.token_urlsafe(15)
    check_new_password(chosen, words=[username, email])
    roles = [MEMBER, ADMIN] if admin else [MEMBER]
    expires_at = None if password else now() + GENERATED_PASSWORD_LIFETIME
    user = create_user_with_credential(
        username, email, hash_password(chosen), roles, expires_at=expires_at
    )
    return CreatedAccount(user, chosen, expires_at)


def _hash_to_keep(username: str, key: str, password: str) -> str:
    """Return the password hash for a registration, new or pending.

    If a registration with the username is pending, the request must repeat its email address and
    password. Then the stored hash is returned. A wrong email address and a wrong password take the
    same time.

    :raises UsernameTaken: if the pending registration has another email address or password.
    """
    waiting = Registration.find_by_username(username)
    if waiting is None:
        return hash_password(password)
    if not verify_password(waiting.password_hash, password) or waiting.email_key != key:
        raise UsernameTaken
    kept: str = waiting.password_hash
    return kept


@atomic()
def _keep_registration(username: str, email: str, name: str, password_hash: str) -> None:
    key = email_key(email)
    values = {
        'email': email,
        'email_key': key,
        'name': name,
        'password_hash': password_hash,
        'created_at': now(),
        'expires_at': now() + REGISTRATION_LIFETIME,
    }
    # The hash contains a random salt. So it matches only the registration whose password was
    # verified, and only that registration is renewed.
    same = (Registration.email_key == key) & (Registration.password_hash == password_hash)
    statement = upsert(
        Registration,
        {'username': username, **values},
        conflict=['username'],
        change=values,
        where=(Registration.expires_at <= now()) | same,
    )
    if db.session.execute(statement.returning(Registration.username)).one_or_none() is None:
        raise UsernameTaken
    record_security_event('registered', None, username=username)
    enqueue(send_verification, email)


def _mail_verification(email: str) -> None:
    # The mail contains neither username nor name: a stranger may have chosen them. It is about no
    # user, because the PIN creates the user.
    if mail_pin('verification', VERIFICATION_PURPOSE, to=email, about=None):
        record_security_event('verification_requested', None, actor=SYSTEM)


@atomic()
def create_user_with_credential(
    username: str,
    email: str,
    password_hash: str,
    roles: Iterable[str] = (MEMBER,),
    name: str = '',
    expires_at: datetime | None = None,
) -> UserRow:
    """Create a user with a password.

    Call it in the transaction that consumes the PIN or invitation.
    """
    user = users.create_user(username=username, email=email, name=name, roles=roles)
    db.session.add(Credential(user_id=user.id, password_hash=password_hash, expires_at=expires_at))
    return user


@repeatable
@atomic()
def _create_verified_user(registration: Registration, verified: VerifiedPin) -> UserRow:
    consume_pin(VERIFICATION_PURPOSE, verified)
    user = create_user_with_credential(
        registration.username,
        registration.email,
        registration.password_hash,
        name=registration.name,
    )
    delete_registrations(registration.email_key)
    record_security_event('verified', user.id)
    return user


def delete_registrations(key: str) -> None:
    """Delete the registrations of an email address and their PINs. Call it inside `atomic`.

    :param key: the `email_key` of the email address.
    """
    pins = delete(Pin).where(Pin.purpose == VERIFICATION_PURPOSE, Pin.email_key == key)
    waiting = delete(Registration).where(Registration.email_key == key)
    for statement in (pins, waiting):
        db.session.execute(statement.execution_options(synchronize_session=False))
