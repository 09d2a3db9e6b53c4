"""Login and reauthentication, which issue new session tokens."""

from dataclasses import dataclass
from datetime import datetime
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
from project.core.database.retries import repeatable
from project.core.database.session import atomic, db, non_atomic
from project.core.request_context import current_request_context
from project.core.security.password_hashing import hash_password, needs_rehash, verify_password
from project.core.security.principal import Principal
from project.core.security.signing import keyed_number
from project.users import service as users
from project.users.models import ACTIVE, email_key
from project.users.rows import UserRow

from .attempt_counters import (
    LOGIN_DEVICE,
    LOGIN_NAME,
    login_target,
)
from .credentials.devices import find_device, register_device_login
from .credentials.passwords import verify_session_password
from .credentials.second_factors import Factor, consume_second_factor, verify_second_factor
from .credentials.tokens import TokenPair, issue_token_pair
from .security_events import FAILURE, record_security_event

SESSION_FIELDS = ('id', 'created_at', 'last_used_at', 'user_agent')


@dataclass(frozen=True, slots=True)
class Login:
    """A new or renewed session, with its tokens, as the response returns it.

    The service stores the tokens only as hashes, so they cannot be shown again.
    """

    token: str
    expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime
    session: dict[str, Any]
    user: UserRow
    device: str | None = None
    token_type: str = 'Bearer'


@non_atomic
def log_in(
    *,
    user_or_email: str,
    password: str,
    device: str | None = None,
    otp: str | None = None,
    recovery_code: str | None = None,
) -> Login:
    """Open a session for a user with the right password and second factor.

    Wrong credentials take the same time for existing and unknown users. The state of the account is
    checked only after a right password, so that strangers cannot learn the state.

    :raises WrongCredentials: if the password is wrong, or the user does not exist.
    :raises EmailNotVerified: if the registration is still pending.
    :raises AccountDisabled: if the user is disabled.
    :raises OtpRequired, WrongOtp, WrongRecoveryCode: see `verify_second_factor`.
    :raises TooManyAttempts: after ten wrong passwords in 15 minutes for the typed username or email
        address; the password is not checked. Logins from a known device have another counter.
    """
    user = users.find_user_by_login(user_or_email)
    user_id = user.id if user else 0
    place = keyed_number('login-cost', email_key(user_or_email))
    stored, reference = Credential.find_hash_for_login(user_id, place)
    waiting = Registration.find_by_username(user_or_email)
    known = find_device(user_id, device)
    counter = LOGIN_DEVICE if known else LOGIN_NAME
    target = str(known.id) if known else login_target(user_or_email, user)

    # Count the attempt before the check. Otherwise, many concurrent requests could all pass the
    # counter.
    counter.consume(target)
    expected = stored if user else (waiting.password_hash if waiting else None)
    if not verify_password(expected, password, cost_of=reference):
        _record_failure(user)
        raise WrongCredentials
    counter.refund(target)

    if user is None:
        _record_failure(None, reason='unverified')
        raise EmailNotVerified
    if user.status != ACTIVE:
        _record_failure(user, reason='disabled')
        raise AccountDisabled
    factor = verify_second_factor(user_id, otp=otp, recovery_code=recovery_code, device=known)
    renewed = _renewed(stored, password)
    return _enter(user, stored, renewed, factor, known.id if known else None, device)


@non_atomic
def reauthenticate(
    asker: Principal, *, password: str, otp: str | None = None, recovery_code: str | None = None
) -> Login:
    """Confirm password and second factor of a session; return new tokens.

    The session becomes fresh. The old tokens become invalid.

    :raises SessionNotFound: if the caller has no session (an API key), or it has ended.
    :raises WrongCredentials: if the password is wrong. Attempts are counted per session.
    :raises OtpRequired, WrongOtp, WrongRecoveryCode: see `verify_second_factor`.
    :raises TooManyAttempts: after ten wrong passwords in 15 minutes; the password is not checked.
    """
    if asker.session_id is None:
        raise SessionNotFound
    stored = verify_session_password(asker, password)
    if stored is None:
        _record_reauthentication_failure(asker.user_id)
        raise WrongCredentials
    factor = verify_second_factor(
        asker.user_id, otp=otp, recovery_code=recovery_code, session_id=asker.session_id
    )
    return _renew(asker, asker.session_id, stored, factor)


@atomic()
def _record_failure(user: UserRow | None, reason: str = 'password') -> None:
    """Record a failed login. It writes one row, whether or not the account exists."""
    record_security_event('login', user.id if user else None, outcome=FAILURE, reason=reason)


@atomic()
def _record_reauthentication_failure(user_id: int) -> None:
    record_security_event('reauthentication', user_id, outcome=FAILURE)


def _renewed(stored: str | None, password: str) -> str | None:
    """Return a new hash if the stored one has another cost than configured, else None."""
    return hash_password(password) if stored and needs_rehash(stored) else None


@repeatable
@atomic()
def _enter(
    user: UserRow,
    stored: str | None,
    renewed: str | None,
    factor: Factor | None,
    known: UUID | None,
    device: str | None,
) -> Login:
    """Open a session after the checks of a login; store `renewed`, a new password hash, if any.

    :raises WrongCredentials: if the password was changed while it was verified.
    """
    if Credential.lock_password_hash(user.id) != stored:
        raise WrongCredentials
    if renewed:
        same = update(Credential).where(Credential.user_id == user.id)
        db.session.execute(same.values(password_hash=renewed))
    return _open_session(user, factor, known, device)


@atomic()
def _open_session(
    user: UserRow, factor: Factor | None, known: UUID | None, device: str | None
) -> Login:
    """Open a session for a user.

    All logins call this function, so its checks cannot be bypassed.
    """
    if not users.record_login(user.id):
        raise AccountDisabled
    consume_second_factor(user.id, factor)
    with_factor = factor is not None
    device_id, device = register_device_login(user, known, device, with_factor=with_factor)
    pair, moment = issue_token_pair(), now()
    session = Session(
        id=uuid4(), user_id=user.id, device_id=device_id, created_at=moment,
        **_seen(moment), **pair.columns(moment),
    )  # fmt: skip
    db.session.add(session)
    record_security_event('login', user.id, session=str(session.id), new_device=known is None)
    return login_response(pair, session, user, device)


@repeatable
@atomic()
def _renew(asker: Principal, session_id: UUID, stored: str | None, factor: Factor | None) -> Login:
    """Issue new tokens for a session.

    :raises SessionNotFound: if the session has ended.
    :raises WrongCredentials: if the password was changed while it was verified.
    """
    if Credential.lock_password_hash(asker.user_id) != stored:
        raise WrongCredentials
    consume_second_factor(asker.user_id, factor)
    pair, moment = issue_token_pair(), now()
    unused = dict.fromkeys(
        [
            'previous_token_hash',
            'previous_refresh_hash',
            'grace_response_encrypted',
            'refreshed_at',
        ]
    )
    renewal = (
        update(Session)
        .where(Session.id == session_id, Session.user_id == asker.user_id)
        .values(**_seen(moment), **pair.columns(moment), **unused)
        .returning(Session)
    )
    session = db.session.scalars(renewal).one_or_none()
    if session is None:
        raise SessionNotFound
    record_security_event('reauthentication', asker.user_id, session=str(session_id))
    return login_response(pair, session, asker.user)


def _seen(moment: datetime) -> dict[str, Any]:
    """Return the columns of a session that a login or reauthentication sets."""
    context = current_request_context()
    return {
        'ip_address': context.ip_address,
        'user_agent': context.user_agent[:255],
        'authenticated_at': moment,
        'last_used_at': moment,
        'absolute_expires_at': moment + current_app.config['AUTH_SESSION_LIFETIME'],
    }


def login_response(
    pair: TokenPair, session: Session, user: UserRow, device: str | None = None
) -> Login:
    """Return the response to a login or refresh, with the new tokens."""
    shown = {name: getattr(session, name) for name in SESSION_FIELDS}
    return Login(
        token=pair.token,
        expires_at=session.expires_at,
        refresh_token=pair.refresh_token,
        refresh_expires_at=session.refresh_expires_at,
        session={
            **shown,
            'address': session.ip_address,
            'expires_at': session.refresh_expires_at,
            'current': True,
        },
        user=user,
        device=device,
    )
