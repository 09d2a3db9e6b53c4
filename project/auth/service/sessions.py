"""Sessions: logging in and out, and whom a token names."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import delete, update

from project.auth.errors import (
    AccountDisabled,
    EmailNotVerified,
    SessionNotFound,
    WrongCredentials,
)
from project.auth.hashing import is_password
from project.auth.models import OF_USER, SESSIONS, Credential, Registration, Session
from project.core.clock import now
from project.core.data.database import AnyRow, atomic, db, stepwise
from project.core.data.guesses import forget_guesses
from project.core.data.keyset import Page, PageRequest
from project.core.origin import current_origin
from project.core.principal import Principal
from project.core.tokens import kind_of, new_token, token_hash
from project.users import service as users
from project.users.models import ACTIVE, email_key
from project.users.permissions import permissions_of
from project.users.signals import user_deleted, user_disabled

from .passwords import account_of, return_password_guess, spend_password_guess

SESSION_TOKEN = 'pst'

SHOWN = ('id', 'created_at', 'last_used_at', 'address', 'user_agent', 'expires_at')

# `last_used_at` is written at most so often, not on each request.
TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Login:
    """A session just opened: the only time that its token is seen."""

    token: str
    expires_at: datetime
    session: dict[str, Any]
    user: AnyRow
    token_type: str = 'Bearer'


@stepwise
def log_in(*, user_or_email: str, password: str) -> Login:
    """Open a session, or refuse with WrongCredentials in the same time whoever exists.

    Only to who knows the password: refuses a pending registration (EmailNotVerified) and a disabled
    account. Refuses with GuessesSpent, unchecked, after ten wrong passwords in 15 minutes.
    """
    user = users.find_user_by_login(user_or_email)
    stored = Credential.find_hash(user.id if user else 0)
    waiting = Registration.find_by_username(user_or_email)
    account = account_of(user.id) if user else f'login:{email_key(user_or_email)}'

    # Spent before it is checked, or a hundred at once would all pass the counter.
    spend_password_guess(account)
    expected = stored if user else (waiting.password_hash if waiting else None)
    if not is_password(expected, password):
        raise WrongCredentials
    return_password_guess(account)

    if user is None:
        raise EmailNotVerified
    if user.status != ACTIVE:
        raise AccountDisabled
    return _enter(user, stored)


def identify(token: str) -> Principal | None:
    """Return whom a token names, or None. The kernel's guard asks this, on every request."""
    if kind_of(token) != SESSION_TOKEN:
        return None
    found = Session.find_live(token_hash(token))
    if found is None or found.status != ACTIVE:
        return None
    if now() - found.last_used_at > TOUCH_EVERY:
        _touch(found.session_id)
    return Principal(
        user_id=found.id,
        username=found.username,
        permissions=permissions_of(found.roles),
        session_id=found.session_id,
        authenticated_at=found.authenticated_at,
        user=found,
    )


def list_sessions(asker: Principal, page: PageRequest) -> Page:
    """Return a page of the asker's live sessions, newest first."""
    return _sessions(asker.user_id, page, current=asker.session_id)


def list_sessions_of(user_id: int) -> Iterator[AnyRow]:
    """Yield all of a user's live sessions, newest first. For operators."""
    page = PageRequest(limit=200)
    while True:
        found = _sessions(user_id, page, current=None)
        yield from found.items
        if found.next is None:
            return
        page = replace(page, cursor=found.next)


@atomic()
def end_session(user_id: int, session_id: UUID) -> None:
    """End one of the user's sessions, or refuse with SessionNotFound."""
    ended = delete(Session).where(Session.user_id == user_id, Session.id == session_id)
    if db.session.execute(ended.returning(Session.id)).one_or_none() is None:
        raise SessionNotFound


def end_current_session(asker: Principal) -> None:
    """Log out: end the session that asks. Refuses an API key, which has none."""
    if asker.session_id is None:
        raise SessionNotFound
    end_session(asker.user_id, asker.session_id)


@atomic()
def end_other_sessions(asker: Principal) -> None:
    """End every session of the asker but the one that asks."""
    others = delete(Session).where(Session.user_id == asker.user_id)
    db.session.execute(others.where(Session.id != asker.session_id))


@atomic()
def end_sessions_of(user_id: int) -> int:
    """End every session of a user and return how many there were."""
    ended = delete(Session).where(Session.user_id == user_id).returning(Session.id)
    return len(db.session.execute(ended).all())


def unlock(login: str) -> bool:
    """Forget the wrong passwords counted against a user. Return whether there were any."""
    return forget_guesses('password', account_of(users.get_user_by_login(login).id))


@user_disabled.connect
@user_deleted.connect
def forget_sessions(_sender: object, *, user_id: int) -> None:
    """End what a leaving or disabled user has open."""
    end_sessions_of(user_id)


@atomic()
def _enter(user: AnyRow, stored: str | None) -> Login:
    """Open a session, unless the password was changed while its hash was computed."""
    if Credential.lock_hash(user.id) != stored:
        raise WrongCredentials
    return _open_session(user)


@atomic()
def _open_session(user: AnyRow) -> Login:
    """Open a session. The one function that does, for every way to log in: its gate is here."""
    if not users.note_login(user.id):
        raise AccountDisabled
    token, origin, moment = new_token(SESSION_TOKEN), current_origin(), now()
    session = Session(
        id=uuid4(),
        user_id=user.id,
        token_hash=token_hash(token),
        address=origin.address,
        user_agent=origin.user_agent[:255],
        created_at=moment,
        authenticated_at=moment,
        last_used_at=moment,
        expires_at=moment + current_app.config['AUTH_TOKEN_LIFETIME'],
        lapses_at=moment + current_app.config['AUTH_REFRESH_LIFETIME'],
        ends_at=moment + current_app.config['AUTH_SESSION_LIFETIME'],
    )
    db.session.add(session)
    shown = {name: getattr(session, name) for name in SHOWN}
    shown |= {'expires_at': session.lapses_at, 'current': True}
    return Login(token, session.expires_at, shown, user)


@atomic()
def _touch(session_id: UUID) -> None:
    db.session.execute(update(Session).where(Session.id == session_id).values(last_used_at=now()))


def _sessions(user_id: int, page: PageRequest, *, current: UUID | None) -> Page:
    # No session has the id that is all zeros.
    current = current or UUID(int=0)
    return SESSIONS.page(OF_USER, page, user_id=user_id, current=current, moment=now())
