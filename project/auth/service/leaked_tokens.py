"""Leaks: a token that somebody has found where it should not be."""

from typing import Any

from sqlalchemy import delete, or_

from project.auth.errors import TokenNotFound
from project.auth.models import ApiKey, Device, Session
from project.core.database.session import AnyRow, atomic, db
from project.core.mail import send_mail
from project.core.security.tokens import family_of, kind_of, token_hash
from project.users import service as users

from .api_keys import KEY_TOKEN
from .devices import DEVICE_TOKEN
from .security_events import record_security_event
from .tokens import REFRESH_TOKEN, SESSION_TOKEN

# What each kind opens, as people call it.
KINDS = {
    SESSION_TOKEN: 'session',
    REFRESH_TOKEN: 'session',
    KEY_TOKEN: 'API key',
    DEVICE_TOKEN: 'known device',
}


def find_token_owner(token: str) -> tuple[str, AnyRow]:
    """Return what a token opens, and whose it is; refuses with TokenNotFound if nothing."""
    model, is_it = _opened_by(token)
    user_id = db.session.scalar(db.select(model.user_id).where(is_it))
    if user_id is None:
        raise TokenNotFound
    return KINDS[token[:3]], users.get_user(user_id)


@atomic()
def revoke_leaked(token: str) -> tuple[str, AnyRow]:
    """Have a token open nothing any more, and mail its user; return as `find_token_owner` does.

    Of a refresh token any of its session will do. Refuses with TokenNotFound what opens nothing.
    """
    kind, user = find_token_owner(token)
    model, is_it = _opened_by(token)
    db.session.execute(delete(model).where(is_it))
    record_security_event('token_leaked', user.id, token=token[:3])
    send_mail(
        'token_leaked',
        to=user.email,
        about=user.id,
        username=user.username,
        name=user.name,
        kind=kind,
    )
    return kind, user


def _opened_by(token: str) -> tuple[Any, Any]:
    """Return the table that knows a token, and the condition that finds it there."""
    kind, hashed = kind_of(token), token_hash(token)
    if kind == SESSION_TOKEN:
        return Session, or_(Session.token_hash == hashed, Session.previous_token_hash == hashed)
    if kind == REFRESH_TOKEN:
        return Session, Session.family_hash == token_hash(family_of(token))
    if kind == KEY_TOKEN:
        return ApiKey, ApiKey.token_hash == hashed
    if kind == DEVICE_TOKEN:
        return Device, Device.token_hash == hashed
    raise TokenNotFound
