"""Refresh of session tokens, and detection of reused refresh tokens.

If both the owner and a thief use the same refresh token, the second use reveals that it was copied.
The service cannot know which of them is the thief, so it ends the session (RFC 9700, 4.14.2).
"""

import hmac
from datetime import timedelta
from typing import Any

from sqlalchemy import case, delete, null, select, update

from project.auth.errors import WrongRefreshToken
from project.auth.models import Session
from project.auth.rows import SessionFamilyRow
from project.core.clock import is_recent, now, recent_window
from project.core.database.cleanup import BATCH_ROWS
from project.core.database.session import atomic, db, execute_in_own_transaction, non_atomic
from project.core.mail import send_mail
from project.core.request_context import current_request_context
from project.core.security.tokens import family_of, kind_of, token_hash
from project.core.tasks import task
from project.users import service as users
from project.users.models import ACTIVE

from .credentials.tokens import REFRESH_TOKEN, TokenPair, decrypt_token_pair, rotate_token_pair
from .login import Login, login_response
from .security_events import FAILURE, record_security_event

# Within this period, a repeated request with the same refresh token gets the same response. Several
# tabs may refresh at the same time, and responses may get lost.
REFRESH_GRACE_PERIOD = timedelta(seconds=10)


@non_atomic
def refresh_session(refresh_token: str) -> Login:
    """Return new tokens for a refresh token.

    If the token was used less than `REFRESH_GRACE_PERIOD` ago, return the same tokens as then.
    Later reuse ends the session, even after further refreshes, and a mail notifies the user. The
    raised error does not roll back these two effects. A refresh does not make the login fresh, and
    requires no second factor.

    :raises WrongRefreshToken: if the token is unknown, expired or reused.
    """
    if kind_of(refresh_token) != REFRESH_TOKEN:
        raise WrongRefreshToken
    return _rotate(refresh_token) or _repeat(refresh_token)


@atomic()
def _rotate(used: str) -> Login | None:
    """Replace the current refresh token of a session; return None if `used` is not current.

    The replacement is one statement. So only one of several concurrent requests with the same token
    replaces it.
    """
    pair, moment, context = rotate_token_pair(used), now(), current_request_context()
    columns = pair.columns(moment)
    rotation = (
        update(Session)
        .where(Session.refresh_hash == token_hash(used))
        .where(Session.family_hash == columns['family_hash'], Session.refresh_expires_at > moment)
        .values(
            **columns
            | {name: _at_most_ends(columns[name]) for name in ('expires_at', 'refresh_expires_at')},
            previous_token_hash=case(
                (Session.expires_at > moment, Session.token_hash), else_=null()
            ),
            previous_refresh_hash=Session.refresh_hash,
            grace_response_encrypted=pair.encrypted_for(used),
            refreshed_at=moment,
            last_used_at=moment,
            ip_address=context.ip_address,
            user_agent=context.user_agent[:255],
        )
        .returning(Session)
    )
    session = db.session.scalars(rotation).one_or_none()
    return _login(pair, session) if session else None


def _repeat(used: str) -> Login:
    """Return the tokens that replaced a used refresh token, or end the session of the token.

    :raises WrongRefreshToken: if the token is unknown or expired, or the session has just been
        ended.
    """
    found = Session.find_family(token_hash(family_of(used)))
    if found is None or found.refresh_expires_at <= now() or _is(found.refresh_hash, used):
        raise WrongRefreshToken
    pair = (
        decrypt_token_pair(used, found.grace_response_encrypted)
        if _is_just_used(found, used)
        else None
    )
    session = db.session.get(Session, found.id) if pair else None
    if pair is None or session is None:
        _end(found)
        raise WrongRefreshToken
    return _login(pair, session)


def _is_just_used(found: SessionFamilyRow, used: str) -> bool:
    if found.refreshed_at is None or not _is(found.previous_refresh_hash, used):
        return False
    return is_recent(found.refreshed_at, REFRESH_GRACE_PERIOD)


def _is(stored: str | None, token: str) -> bool:
    return stored is not None and hmac.compare_digest(stored, token_hash(token))


def _login(pair: TokenPair, session: Session) -> Login:
    user = users.find_user(session.user_id)
    if user is None or user.status != ACTIVE:
        raise WrongRefreshToken
    return login_response(pair, session, user)


@atomic()
def _end(found: SessionFamilyRow) -> None:
    """End the session of a reused token and notify its user. Do nothing if it has ended already."""
    ended = delete(Session).where(Session.id == found.id).returning(Session.id)
    if db.session.execute(ended).one_or_none() is None:
        return
    user, context = users.find_user(found.user_id), current_request_context()
    if user is None:
        return
    record_security_event('refresh_token_reused', user.id, outcome=FAILURE, session=str(found.id))
    send_mail(
        'reuse_detected',
        to=user.email,
        about=user.id,
        username=user.username,
        name=user.name,
        address=context.ip_address,
        user_agent=context.user_agent[:255],
    )


def _at_most_ends(moment: Any) -> Any:
    """Return SQL for the earlier of `moment` and the absolute expiry of the session."""
    return case((Session.absolute_expires_at < moment, Session.absolute_expires_at), else_=moment)


@task(idempotent='a second run finds none to erase', every=timedelta(minutes=1))
def purge_refresh_grace_responses() -> None:
    """Delete the stored responses for used refresh tokens whose grace period is over."""
    while _purge_batch() == BATCH_ROWS:
        pass


def _purge_batch() -> int:
    """Delete one batch of these responses in one transaction; return their number."""
    over = select(Session.id).where(
        Session.grace_response_encrypted.is_not(None),
        ~Session.refreshed_at.between(*recent_window(REFRESH_GRACE_PERIOD)),
    )
    # Skip locked rows; the next run deletes them. Waiting for rows of many users could deadlock.
    free = over.limit(BATCH_ROWS).with_for_update(skip_locked=True).cte('free')
    purged = update(Session).where(Session.id.in_(select(free)))
    purged = purged.values(grace_response_encrypted=None).returning(Session.id)
    return len(execute_in_own_transaction(purged))
