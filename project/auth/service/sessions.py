"""Sessions and API keys of requests: identification by token, lists, end, reset of counters."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select, update

from project.auth.errors import SessionNotFound
from project.auth.models import SESSIONS, SESSIONS_OF_USER, ApiKey, Device, EmailChange, Session
from project.auth.rows import ListedSessionRow, LiveSessionRow
from project.core.clock import is_recent, now, recent_window
from project.core.database.keyset_pagination import Page, PageRequest, iterate_pages
from project.core.database.retries import repeatable
from project.core.database.session import atomic, db, locks_user
from project.core.security.authentication import Authentication
from project.core.security.principal import Principal
from project.core.security.tokens import kind_of, token_hash
from project.core.throttling import AttemptCounter
from project.users import service as users
from project.users.errors import UserNotFound
from project.users.models import ACTIVE, email_key, permissions_of
from project.users.rows import UserRow

from .attempt_counters import (
    EMAIL_CHANGE,
    INVITATION,
    LOGIN_DEVICE,
    LOGIN_NAME,
    NOTICE_MAIL,
    NOTICE_SUBJECTS,
    OTP_ACCOUNT,
    OTP_DEVICE,
    OTP_NEW_DEVICE,
    OTP_SESSION,
    PIN_MAIL,
    PIN_NETWORK,
    REGISTRATION,
    SECOND_FACTOR_MAIL,
    SESSION_PASSWORD,
    account_target,
    login_target,
    mail_target,
    network_target,
    session_target,
)
from .credentials.api_keys import KEY_TOKEN, find_key_principal, identify_key
from .credentials.pins import EMAIL_CHANGE_PURPOSE, PIN_PURPOSES, delete_pins
from .credentials.tokens import SESSION_TOKEN
from .security_events import OPERATOR, record_security_event
from .token_refresh import REFRESH_GRACE_PERIOD

# `last_used_at` is updated at most once in this interval, not on each request.
LAST_USED_INTERVAL = timedelta(minutes=1)


def identify(token: str) -> Principal | None:
    """Return the principal of an access token or API key; None if it is not valid.

    The guard of `core` calls it on every request.
    """
    kind = kind_of(token)
    if kind == KEY_TOKEN:
        return identify_key(token)
    if kind != SESSION_TOKEN:
        return None
    hashed = token_hash(token)
    # A request may still use a token that a refresh in another browser tab has just replaced.
    found = Session.find_live(hashed) or Session.find_just_refreshed(
        hashed, recent_window(REFRESH_GRACE_PERIOD)
    )
    if found is None or found.status != ACTIVE:
        return None
    if not is_recent(found.last_used_at, LAST_USED_INTERVAL):
        _record_use(found.session_id)
    return _principal_of(found)


def reload_principal(principal: Principal) -> Principal | None:
    """Return the current state of a principal, or None if its credential is no longer valid.

    The credential is looked up by the id of the session or API key, not by the token, because the
    tokens of a session may be refreshed during a long upload.
    """
    if principal.key_id:
        return find_key_principal(principal.key_id)
    found = Session.find_live_by_id(principal.session_id) if principal.session_id else None
    return _principal_of(found) if found and found.status == ACTIVE else None


authentication = Authentication(identify, reload_principal, users.lock_users)


def list_sessions(asker: Principal, page: PageRequest) -> Page[ListedSessionRow]:
    """Return a page of the caller's live sessions, newest first."""
    return _sessions(asker.user_id, page, current=asker.session_id)


def list_sessions_of(user_id: int) -> Iterator[ListedSessionRow]:
    """Yield all live sessions of a user, newest first. Commands for operators call it."""
    return iterate_pages(lambda page: _sessions(user_id, page, current=None))


@repeatable
@atomic()
def end_session(user_id: int, session_id: UUID) -> None:
    """End one of the user's sessions.

    :raises SessionNotFound: if the user has no such session.
    """
    ended = delete(Session).where(Session.user_id == user_id, Session.id == session_id)
    if db.session.execute(ended.returning(Session.id)).one_or_none() is None:
        raise SessionNotFound
    record_security_event('session_ended', user_id, session=str(session_id))


def end_current_session(asker: Principal) -> None:
    """End the session of the request.

    :raises SessionNotFound: if the caller uses an API key, which has no session.
    """
    if asker.session_id is None:
        raise SessionNotFound
    end_session(asker.user_id, asker.session_id)


@repeatable
@locks_user('asker')
def end_other_sessions(asker: Principal) -> None:
    """End all sessions of the caller except the current one."""
    others = delete(Session).where(Session.user_id == asker.user_id)
    ended = others.where(Session.id != asker.session_id).returning(Session.id)
    record_security_event(
        'sessions_ended', asker.user_id, count=len(db.session.execute(ended).all())
    )


@repeatable
@locks_user('user_id')
def end_sessions_of(user_id: int) -> int:
    """End all sessions of a user and return their number."""
    ended = delete(Session).where(Session.user_id == user_id).returning(Session.id)
    count = len(db.session.execute(ended).all())
    if count:
        record_security_event('sessions_ended', user_id, count=count)
    return count


@atomic()
def unlock(login: str) -> list[str]:
    """Reset all attempt counters of a user, or of an email address without a user.

    :returns: the names of the counters that had counted attempts.
    :raises UserNotFound: if the user does not exist, and `login` is not an email address.
    """
    user = users.find_user_by_login(login)
    if user is None and '@' not in login:
        raise UserNotFound
    counters = _counters_of_user(user) if user else _counters_of_email(login)
    return _reset(counters, user.id if user else None)


def unlock_network(ip_address: str) -> list[str]:
    """Reset the attempt counter of the network of an IP address.

    :returns: the names of the counters that had counted attempts.
    """
    return _reset([(PIN_NETWORK, network_target(ip_address))], None)


@atomic()
def _reset(counters: list[tuple[AttemptCounter, str]], user_id: int | None) -> list[str]:
    names = sorted({counter.name for counter, target in counters if counter.reset(target)})
    if names:
        record_security_event('attempts_reset', user_id, actor=OPERATOR, counters=names)
    return names


def _counters_of_user(user: UserRow) -> list[tuple[AttemptCounter, str]]:
    owner, target = user.id, account_target(user.id)
    devices = db.session.scalars(select(Device.id).where(Device.user_id == owner))
    sessions = db.session.scalars(select(Session.id).where(Session.user_id == owner))
    pending = EmailChange.find_pending(owner)
    found = _counters_of_email(user.email)
    found += [(LOGIN_NAME, login_target(user.username, user))]
    found += [(counter, str(id_)) for id_ in devices for counter in (LOGIN_DEVICE, OTP_DEVICE)]
    found += [
        (counter, session_target(id_))
        for id_ in sessions
        for counter in (SESSION_PASSWORD, OTP_SESSION)
    ]
    by_account = (OTP_ACCOUNT, OTP_NEW_DEVICE, EMAIL_CHANGE, SECOND_FACTOR_MAIL)
    found += [(counter, target) for counter in by_account]
    if pending:
        found += [(PIN_MAIL, mail_target(EMAIL_CHANGE_PURPOSE, pending.email_key))]
    return found


def _counters_of_email(email: str) -> list[tuple[AttemptCounter, str]]:
    key = email_key(email)
    mails = [(PIN_MAIL, mail_target(purpose, key)) for purpose in PIN_PURPOSES]
    mails += [(NOTICE_MAIL, mail_target(subject, key)) for subject in NOTICE_SUBJECTS]
    return [*mails, *((counter, key) for counter in (LOGIN_NAME, REGISTRATION, INVITATION))]


def on_user_disabled_revoke_credentials(_sender: object, *, user_id: int) -> None:
    """End the sessions of a disabled user; delete API keys, PINs and pending email changes.

    The password, the second factor, finished exports and the known devices stay, because the user
    may be enabled again. A known device gives no access: it only decides which attempt counter a
    login uses.
    """
    end_sessions_of(user_id)
    for model in (ApiKey, EmailChange):
        db.session.execute(delete(model).where(model.user_id == user_id))
    delete_pins(email_key(users.get_user(user_id).email))


@atomic()
def _record_use(session_id: UUID) -> None:
    db.session.execute(update(Session).where(Session.id == session_id).values(last_used_at=now()))


def _principal_of(found: LiveSessionRow) -> Principal:
    return Principal(
        user_id=found.id,
        username=found.username,
        permissions=permissions_of(found.roles),
        session_id=found.session_id,
        authenticated_at=found.authenticated_at,
        user=found,
    )


def _sessions(user_id: int, page: PageRequest, *, current: UUID | None) -> Page[ListedSessionRow]:
    # A request with an API key has no session. No session has an id of zeros, so no row is marked
    # as current.
    current = current or UUID(int=0)
    return SESSIONS.page(SESSIONS_OF_USER, page, user_id=user_id, current=current, moment=now())
