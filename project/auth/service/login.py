"""Logging in, and showing once more that it is oneself: what makes the tokens of a session."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import update

from project.auth.errors import (
    AccountDisabled,
    EmailNotVerified,
    SessionNotFound,
    WrongCredentials,
)
from project.auth.models import Credential, Registration, Session
from project.core.clock import now
from project.core.database.session import AnyRow, atomic, db, stepwise
from project.core.request_context import current_origin
from project.core.security.password_hashing import hash_password, is_outdated, is_password
from project.core.security.principal import Principal
from project.users import service as users
from project.users.models import ACTIVE, email_key

from .devices import find_device, greet_device
from .passwords import account_of, return_password_guess, spend_password_guess
from .second_factors import Factor, use_factor, weigh_factor
from .security_events import FAILURE, record
from .tokens import Pair, new_pair

SHOWN = ('id', 'created_at', 'last_used_at', 'address', 'user_agent')


@dataclass(frozen=True, slots=True)
class Login:
    """A session just opened, or its tokens renewed: the only time that they are seen."""

    token: str
    expires_at: Any
    refresh_token: str
    refresh_expires_at: Any
    session: dict[str, Any]
    user: Any
    device: str | None = None
    token_type: str = 'Bearer'


@stepwise
def log_in(
    *,
    user_or_email: str,
    password: str,
    device: str | None = None,
    otp: str | None = None,
    recovery_code: str | None = None,
) -> Login:
    """Open a session, or refuse with WrongCredentials in the same time whoever exists.

    Only to who knows the password: refuses a pending registration (EmailNotVerified) and a disabled
    account, and asks for the second factor where one is on (`weigh_factor`). Refuses with
    GuessesSpent, unchecked, after ten wrong passwords in 15 minutes; a known device has ten of its
    own.
    """
    user = users.find_user_by_login(user_or_email)
    user_id = user.id if user else 0
    stored = Credential.find_hash(user_id)
    waiting = Registration.find_by_username(user_or_email)
    known = find_device(user_id, device)
    account = account_of(user_id) if user else f'login:{email_key(user_or_email)}'

    # Spent before it is checked, or a hundred at once would all pass the counter.
    guesses = f'device:{known}' if known else account
    spend_password_guess(guesses)
    expected = stored if user else (waiting.password_hash if waiting else None)
    if not is_password(expected, password):
        _note_failure(user)
        raise WrongCredentials
    return_password_guess(guesses)

    if user is None:
        raise EmailNotVerified
    if user.status != ACTIVE:
        raise AccountDisabled
    factor = weigh_factor(user_id, otp=otp, recovery_code=recovery_code)
    renewed = _renewed(stored, password)
    return _enter(user, stored, renewed, factor, known, device)


@stepwise
def reauthenticate(
    asker: Principal, *, password: str, otp: str | None = None, recovery_code: str | None = None
) -> Login:
    """Show once more who asks: their session is fresh again, and has new tokens; the old ones die.

    Refuses a wrong password (WrongCredentials), counted per session, asks for the second factor as
    a login does, and refuses an API key, which has no session.
    """
    if asker.session_id is None:
        raise SessionNotFound
    # Of its own, so that strangers who guess at the account do not keep its user from this.
    guesses = f'session:{asker.session_id}'
    spend_password_guess(guesses)
    stored = Credential.find_hash(asker.user_id)
    if not is_password(stored, password):
        _note_failure(asker.user)
        raise WrongCredentials
    return_password_guess(guesses)
    factor = weigh_factor(asker.user_id, otp=otp, recovery_code=recovery_code)
    return _renew(asker, asker.session_id, stored, factor)


@atomic()
def _note_failure(user: AnyRow | None) -> None:
    """Leave a trace of a wrong password: one row, whoever exists."""
    record('login', user.id if user else None, outcome=FAILURE)


def _renewed(stored: str | None, password: str) -> str | None:
    """Return a new hash where the old one was made at another cost than now."""
    return hash_password(password) if stored and is_outdated(stored) else None


@atomic()
def _enter(
    user: AnyRow,
    stored: str | None,
    renewed: str | None,
    factor: Factor | None,
    known: UUID | None,
    device: str | None,
) -> Login:
    """Open a session, unless the password was changed while its hash was computed."""
    if Credential.lock_hash(user.id) != stored:
        raise WrongCredentials
    if renewed:
        same = update(Credential).where(Credential.user_id == user.id)
        db.session.execute(same.values(password_hash=renewed))
    return _open_session(user, factor, known, device)


@atomic()
def _open_session(
    user: AnyRow, factor: Factor | None, known: UUID | None, device: str | None
) -> Login:
    """Open a session. The one function that does, for every way to log in: its gate is here."""
    if not users.note_login(user.id):
        raise AccountDisabled
    use_factor(user.id, factor)
    device_id, device = greet_device(user, known, device)
    pair, moment = new_pair(), now()
    session = Session(
        id=uuid4(), user_id=user.id, device_id=device_id, created_at=moment,
        **_seen(moment), **pair.columns(moment),
    )  # fmt: skip
    db.session.add(session)
    record('login', user.id, session=str(session.id), new_device=known is None)
    return login_of(pair, session, user, device)


@atomic()
def _renew(asker: Principal, session_id: UUID, stored: str | None, factor: Factor | None) -> Login:
    """Give a session new tokens, unless it ended or the password was changed meanwhile."""
    if Credential.lock_hash(asker.user_id) != stored:
        raise WrongCredentials
    use_factor(asker.user_id, factor)
    pair, moment = new_pair(), now()
    unused = dict.fromkeys(['used_token_hash', 'used_refresh_hash', 'successor', 'refreshed_at'])
    renewal = (
        update(Session)
        .where(Session.id == session_id, Session.user_id == asker.user_id)
        .values(**_seen(moment), **pair.columns(moment), **unused)
        .returning(Session)
    )
    session = db.session.scalars(renewal).one_or_none()
    if session is None:
        raise SessionNotFound
    record('reauthentication', asker.user_id, session=str(session_id))
    return login_of(pair, session, asker.user)


def _seen(moment: Any) -> dict[str, Any]:
    """Return what a session notes of who has just shown who they are."""
    origin = current_origin()
    return {
        'address': origin.address,
        'user_agent': origin.user_agent[:255],
        'authenticated_at': moment,
        'last_used_at': moment,
        'ends_at': moment + current_app.config['AUTH_SESSION_LIFETIME'],
    }


def login_of(pair: Pair, session: Any, user: Any, device: str | None = None) -> Login:
    """Return the answer to who gets these tokens."""
    shown = {name: getattr(session, name) for name in SHOWN}
    return Login(
        token=pair.token,
        expires_at=session.expires_at,
        refresh_token=pair.refresh_token,
        refresh_expires_at=session.lapses_at,
        session={**shown, 'expires_at': session.lapses_at, 'current': True},
        user=user,
        device=device,
    )
