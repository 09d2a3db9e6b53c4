"""Invitations: a code by mail, with which somebody gets a password, and an account if need be."""

import secrets
from base64 import b32encode
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import delete, update

from project.auth.errors import InvitationInvalid, UsernameMissing
from project.auth.models import Credential, Invitation
from project.core.clock import now
from project.core.database.session import AnyRow, atomic, db, stepwise
from project.core.database.upsert import insert_or
from project.core.mail import send_mail
from project.core.security.password_hashing import hash_password
from project.core.security.principal import Principal
from project.core.security.signing import is_mac, mac
from project.core.tasks import enqueue, once, task
from project.core.throttling import spend_guess
from project.users import service as users
from project.users.errors import MoreThanYouMay, RoleUnknown, UserNotFound
from project.users.models import ACTIVE, email_key
from project.users.permissions import MEMBER
from project.users.signals import users_created

from .accounts import forget_registrations, store_account, tell_registered
from .passwords import check_new_password
from .pins import DAY, return_pin_guess, spend_pin_guess
from .security_events import FAILURE, SYSTEM, record

LIFETIME = timedelta(days=7)
TRIES = 5
INVITATIONS = 10  # a day and address
BATCH = 100
PURPOSE = 'invitation'


@atomic()
def invite(asker: Principal, *, email: str, roles: Iterable[str] = (MEMBER,)) -> None:
    """Mail an invitation to an address; a new one makes the last one void.

    Whoever has an account there gets a notice instead. Refuses roles that hold more than the asker
    (MoreThanYouMay), and with GuessesSpent more than ten a day for one address.
    """
    users.check_roles(roles, by=asker)
    spend_guess('invitation', email_key(email), limit=INVITATIONS, period=DAY)
    enqueue(send_invitation, email, sorted(roles), asker.user_id)


@users_created.connect
def invite_created(_sender: object, *, user_ids: list[int], invite: bool, by: int | None) -> None:
    """Invite users whom somebody has made, many of them a hundred at a time."""
    for start in range(0, len(user_ids) if invite else 0, BATCH):
        enqueue(invite_users, user_ids[start : start + BATCH])


@task(time_limit=timedelta(minutes=5))
def invite_users(user_ids: list[int]) -> None:
    """Invite users who have no password yet. Run twice, each is invited once."""
    with atomic():
        once()
        for user_id in user_ids:
            if user := users.find_user(user_id):
                enqueue(send_invitation, user.email, [], None)


@task()
def send_invitation(email: str, roles: list[str], invited_by: int | None) -> None:
    """Mail an address the code of its invitation, or its user a notice if they have a password.

    Run twice, it mails once.
    """
    with atomic():
        once()
        user = users.find_user_by_login(email)
        if user and Credential.find_hash(user.id):
            tell_registered(user)
        elif user is None or user.status == ACTIVE:
            _mail(user, user.email if user else email, roles, invited_by)


@stepwise
def accept_invitation(
    *, email: str, code: str, password: str, username: str | None = None
) -> AnyRow:
    """Give whoever has the code a password, and a user if nobody has the address; return them.

    Refuses with InvitationInvalid whatever does not fit: five tries, and what its sender may not
    give any more (ASVS 8.3.3). Refuses a weak password, a username that is missing or taken.
    """
    check_new_password(password, words=[email, username or ''])
    key = email_key(email)
    spend_pin_guess(key)
    found = _spend_try(key)
    if not is_mac(found.mac if found else bytes(32), PURPOSE, _typed(key, code)) or not found:
        _note_failure()
        raise InvitationInvalid
    user = users.find_user_by_login(email)
    if user is None and username is None:
        raise UsernameMissing
    if user and username and username.lower() != user.username:
        raise UsernameMissing('Not the one of this account')
    return _accept(found, user, username, hash_password(password))


def _mail(user: AnyRow | None, email: str, roles: list[str], invited_by: int | None) -> None:
    code = b32encode(secrets.token_bytes(10)).decode()
    key = email_key(email)
    fresh = {
        'email': email, 'roles': roles, 'mac': mac(PURPOSE, f'{key} {code}'), 'tries_left': TRIES,
        'invited_by': invited_by, 'created_at': now(), 'expires_at': now() + LIFETIME,
    }  # fmt: skip
    db.session.execute(
        insert_or(Invitation, {'email_key': key, **fresh}, conflict=['email_key'], change=fresh)
    )
    record('invited', user.id if user else None, actor=SYSTEM, by=invited_by)
    send_mail(
        'invitation',
        to=email,
        about=user.id if user else None,
        username=user.username if user else '',
        name=user.name if user else '',
        secret={'code': '-'.join(code[at : at + 4] for at in range(0, 16, 4))},
        lifetime=LIFETIME.total_seconds(),
    )


@atomic()
def _spend_try(key: str) -> AnyRow | None:
    spent = (
        update(Invitation)
        .where(Invitation.email_key == key)
        .where(Invitation.tries_left > 0, Invitation.expires_at > now())
        .values(tries_left=Invitation.tries_left - 1)
        .returning(Invitation.email, Invitation.email_key, Invitation.mac, Invitation.roles,
                   Invitation.invited_by)
    )  # fmt: skip
    return db.session.execute(spent).one_or_none()


@atomic()
def _note_failure() -> None:
    record('invitation', None, outcome=FAILURE)


@atomic()
def _accept(found: AnyRow, user: AnyRow | None, username: str | None, password_hash: str) -> AnyRow:
    used = delete(Invitation).where(
        Invitation.email_key == found.email_key, Invitation.mac == found.mac
    )
    if db.session.execute(used.returning(Invitation.email_key)).one_or_none() is None:
        raise InvitationInvalid
    # Before the user, as where a PIN is consumed: two doors to one address wait for each other.
    return_pin_guess(found.email_key)
    if user is None:
        _refuse_what_its_sender_lost(found)
        user = store_account(username or '', found.email, password_hash, found.roles or [MEMBER])
    elif Credential.lock_hash(user.id) is not None or not users.hold_user(user.id):
        raise InvitationInvalid
    else:
        db.session.add(Credential(user_id=user.id, password_hash=password_hash))
    forget_registrations(found.email_key)
    record('invitation_accepted', user.id)
    return user


def _refuse_what_its_sender_lost(found: AnyRow) -> None:
    if found.invited_by is None:
        return
    try:
        users.check_roles(found.roles, by=users.get_user(found.invited_by))
    except (MoreThanYouMay, RoleUnknown, UserNotFound):
        raise InvitationInvalid from None


def _typed(key: str, code: str) -> str:
    return f'{key} {"".join(code.split()).replace("-", "").upper()}'
