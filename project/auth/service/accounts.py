"""Accounts: from a registration over its PIN to a user, telling nobody who is known already."""

import re
import secrets
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import delete

from project.auth.errors import WrongPin
from project.auth.hashing import hash_password, is_password
from project.auth.models import Credential, Pin, Registration
from project.core.clock import now
from project.core.data.database import AnyRow, atomic, db, stepwise
from project.core.data.mail import send_mail
from project.core.data.upsert import insert_or
from project.users import service as users
from project.users.errors import UsernameTaken
from project.users.models import User, email_key
from project.users.permissions import ADMIN, MEMBER
from project.users.signals import user_deleted

from .passwords import check_new_password
from .pins import LIFETIME as PIN_LIFETIME
from .pins import consume_pin, issue_pin, try_pin

REGISTRATION_LIFETIME = timedelta(hours=24)
VERIFICATION = 'verification'
PIN_LIKE = re.compile(r'\d{6,}')


@stepwise
def register(*, username: str, email: str, password: str, name: str = '') -> None:
    """Keep a registration for 24 hours and mail its PIN; a known address gets a notice instead.

    Takes the same time and leaves the same rows for both. Refuses a weak password, and a username
    that is taken, reserved by another registration, or no username.
    """
    check_new_password(password, words=[username, email])
    # Hashed before the transaction, which on SQLite holds the only write lock.
    _keep_registration(users.check_username(username), email, name, hash_password(password))


@atomic()
def resend_verification(email: str) -> None:
    """Mail a new PIN to an address that has one to wait for; silent about all others."""
    key = email_key(email)
    waiting = Registration.find_waiting(key)
    pin = issue_pin(VERIFICATION, key)
    if waiting:
        _mail_pin(waiting[0], pin)


@stepwise
def verify_account(*, email: str, pin: str, password: str) -> AnyRow:
    """Turn a registration into a user. Refuses with WrongPin whatever does not fit.

    Wants the registration's own password, too: who registers another's address cannot make its
    owner confirm a password that the stranger knows.
    """
    key = email_key(email)
    mark = try_pin(VERIFICATION, key, pin)
    for registration in Registration.find_waiting(key):
        if is_password(registration.password_hash, password):
            return _admit(registration, mark)
    raise WrongPin


@stepwise
def create_account(
    *, username: str, email: str, password: str | None = None, admin: bool = False
) -> tuple[AnyRow, str]:
    """Create a user who can log in at once; return it with the password, generated if not given.

    For operators only: the one way to a first admin (ASVS 6.3.2). Refuses what `register` refuses.
    """
    chosen = password or secrets.token_urlsafe(15)
    check_new_password(chosen, words=[username, email])
    roles = [MEMBER, ADMIN] if admin else [MEMBER]
    return _store_account(username, email, hash_password(chosen), roles), chosen


@user_deleted.connect
def forget_credentials(_sender: object, *, user_id: int) -> None:
    """Let go of a leaving user's password, and of what waits for a PIN at their address."""
    key = email_key(users.get_user(user_id).email)
    db.session.execute(delete(Pin).where(Pin.email_key == key))
    db.session.execute(delete(Registration).where(Registration.email_key == key))
    db.session.execute(delete(Credential).where(Credential.user_id == user_id))


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
    statement = insert_or(
        Registration,
        {'username': username, **values},
        conflict=['username'],
        change=values,
        where=(Registration.email_key == key) | (Registration.expires_at <= now()),
    )
    if db.session.execute(statement.returning(Registration.username)).one_or_none() is None:
        raise UsernameTaken
    known = User.find_by_login(email)
    pin = issue_pin(VERIFICATION, key)
    if known is None:
        _mail_pin(Registration(username=username, **values), pin)
    else:
        # To the address we know, never to the one that was typed (CVE-2019-19844).
        send_mail('already_registered', to=known.email, username=known.username, name=known.name)


def _mail_pin(registration: Registration, pin: str) -> None:
    # Who registered chose the names: nothing in them shall pass for the PIN.
    username, name = (
        PIN_LIKE.sub('\N{HORIZONTAL ELLIPSIS}', text)
        for text in (registration.username, registration.name)
    )
    send_mail(
        'verification',
        to=registration.email,
        username=username,
        name=name,
        pin=pin,
        lifetime=PIN_LIFETIME,
    )


@atomic()
def _store_account(
    username: str, email: str, password_hash: str, roles: Iterable[str] = (MEMBER,), name: str = ''
) -> AnyRow:
    user = users.create_user(username=username, email=email, name=name, roles=roles)
    db.session.add(Credential(user_id=user.id, password_hash=password_hash))
    return user


@atomic()
def _admit(registration: Registration, mark: bytes) -> AnyRow:
    consume_pin(VERIFICATION, registration.email_key, mark)
    user = _store_account(
        registration.username,
        registration.email,
        registration.password_hash,
        name=registration.name,
    )
    waiting = delete(Registration).where(Registration.email_key == registration.email_key)
    db.session.execute(waiting.execution_options(synchronize_session=False))
    return user
