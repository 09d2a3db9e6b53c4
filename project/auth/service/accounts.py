"""Accounts: from a registration over its PIN to a user, telling nobody who is known already."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete

from project.auth.errors import WrongPin
from project.auth.models import Credential, Pin, Registration
from project.core.clock import now
from project.core.database.retries import repeatable
from project.core.database.session import AnyRow, atomic, db, non_atomic
from project.core.database.upsert import upsert
from project.core.mail import send_mail
from project.core.security.password_hashing import hash_password, verify_password
from project.core.tasks import complete_with_transaction, enqueue, task
from project.users import service as users
from project.users.errors import UsernameTaken
from project.users.models import email_key
from project.users.permissions import ADMIN, MEMBER

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
    """A new user, their password, and when it expires; None: never."""

    user: AnyRow
    password: str
    expires_at: datetime | None


@non_atomic
def register(*, username: str, email: str, password: str, name: str = '') -> None:
    """Keep a registration for 24 hours and mail its PIN; a known address gets a notice instead.

    Takes the same time and leaves the same rows for both: a task looks the address up. Again with
    the username, address and password of a registration that waits, it begins its 24 hours anew;
    its password never changes. Refuses a weak password; a username that is none, taken, or waits
    for anything else; and, with TooManyAttempts, more than ten a day for one address.
    """
    check_new_password(password, words=[username, email])
    username, key = users.validate_new_username(username), email_key(email)
    # Counted first: who registers again is told whether that was the password.
    REGISTRATION.consume(key)
    # Hashed before the transaction, which on SQLite holds the only write lock.
    _keep_registration(username, email, name, _hash_to_keep(username, key, password))


@atomic()
def resend_verification(email: str) -> None:
    """Mail a new PIN to an address with a pending registration, or a notice to a known address.

    Returns the same for all addresses: a task looks the address up and counts the mails.
    """
    enqueue(send_verification, email)


@task(queue='mail')
def send_verification(email: str) -> None:
    """Mail who waits at an address a new PIN, or whom it belongs to a notice; else do nothing.

    Here and not in the request, which takes the same time and leaves the same row whoever is known.
    Run twice, it mails once.
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


def send_already_registered_notice(known: AnyRow) -> None:
    """Tell an account's owner that somebody tried to register their address. Inside `atomic`.

    At most ten mails a day to one mailbox, whatever causes them.
    """
    if not is_within_limit(NOTICE_MAIL, mail_target(ALREADY_REGISTERED, email_key(known.email))):
        return
    # To the address we know, never to the one that was typed (CVE-2019-19844).
    send_mail(
        'already_registered',
        to=known.email,
        about=known.id,
        username=known.username,
        name=known.name,
    )


@non_atomic
def verify_account(*, email: str, pin: str, password: str) -> AnyRow:
    """Turn a registration into a user. Refuses with WrongPin whatever does not fit.

    Requires the password of the registration as well. Otherwise a stranger could register the
    email address of another person, who would confirm a password that the stranger knows. The PIN
    verifies only registrations of the exact email address that it was mailed to.
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
    """Create a user who can log in at once; the password is generated if not given.

    For operators only: the one way to a first admin (ASVS 6.3.2). Refuses what `register` refuses.
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
    """Return the hash for a registration: a new one, or that of the one which is renewed.

    Refuses with UsernameTaken whoever does not know the address and the password of the one that
    waits, in the same time whichever of them is wrong.
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
    # No other registration has this hash, for it is salted: what waits keeps its password.
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
    # Neither username nor name: a stranger who registers this address chose them.
    if mail_pin('verification', VERIFICATION_PURPOSE, to=email):
        record_security_event('verification_requested', None, actor=SYSTEM)


@atomic()
def create_user_with_credential(
    username: str,
    email: str,
    password_hash: str,
    roles: Iterable[str] = (MEMBER,),
    name: str = '',
    expires_at: datetime | None = None,
) -> AnyRow:
    """Create a user who has a password. Inside the transaction of what entitles them to it."""
    user = users.create_user(username=username, email=email, name=name, roles=roles)
    db.session.add(Credential(user_id=user.id, password_hash=password_hash, expires_at=expires_at))
    return user


@repeatable
@atomic()
def _create_verified_user(registration: Registration, verified: VerifiedPin) -> AnyRow:
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
    """Delete the registrations of an address and their PINs. Call it inside `atomic`."""
    pins = delete(Pin).where(Pin.purpose == VERIFICATION_PURPOSE, Pin.email_key == key)
    waiting = delete(Registration).where(Registration.email_key == key)
    for statement in (pins, waiting):
        db.session.execute(statement.execution_options(synchronize_session=False))
