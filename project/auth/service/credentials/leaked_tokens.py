"""Revocation of leaked tokens of all features, and the token kinds of the feature `auth`."""

from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select

from project.auth.errors import TokenNotFound
from project.auth.models import ApiKey, Device, Session
from project.core.database.session import atomic, db
from project.core.mail import send_mail
from project.core.security.tokens import (
    TokenKind,
    family_of,
    kind_of,
    register_token_kind,
    token_hash,
    token_kinds,
)
from project.users import service as users
from project.users.rows import UserRow

from ..security_events import record_security_event
from .api_keys import KEY_TOKEN
from .devices import DEVICE_TOKEN
from .tokens import REFRESH_TOKEN, SESSION_TOKEN


def find_token_owner(token: str) -> tuple[str, UserRow]:
    """Return the meaning of a token, such as "API key", and its owner.

    :raises TokenNotFound: if it is not a token, or is unknown.
    """
    kind = _kind(token)
    user_id = kind.find_owner(token)
    user = None if user_id is None else users.find_user(user_id)
    if user is None:
        raise TokenNotFound
    return kind.meaning, user


@atomic()
def revoke_leaked(token: str) -> tuple[str, UserRow]:
    """Revoke a token, mail its owner and record the event.

    If it is a refresh token, even an old one, its session ends.

    :returns: the meaning of the token, such as "API key", and its owner.
    :raises TokenNotFound: if it is not a token, or is unknown.
    """
    meaning, user = find_token_owner(token)
    kind = _kind(token)
    kind.revoke(token)
    record_security_event('token_leaked', user.id, token=kind.prefix)
    send_mail(
        'token_leaked',
        to=user.email,
        about=user.id,
        username=user.username,
        name=user.name,
        kind=meaning,
    )
    return meaning, user


def _kind(token: str) -> TokenKind:
    prefix = kind_of(token)
    if prefix is None:
        raise TokenNotFound
    return token_kinds()[prefix]


def _register(prefix: str, meaning: str, model: Any) -> None:
    """Register a kind of token: the tokens begin with `prefix` and are rows of `model`.

    The table must have a column `user_id`.

    :param meaning: the name of the kind in messages, such as "API key".
    """

    def find_owner(token: str) -> int | None:
        user_id: int | None = db.session.scalar(select(model.user_id).where(_is(prefix, token)))
        return user_id

    def revoke(token: str) -> None:
        db.session.execute(delete(model).where(_is(prefix, token)))

    register_token_kind(TokenKind(prefix, meaning, find_owner, revoke), owner=__name__)


def _is(prefix: str, token: str) -> ColumnElement[bool]:
    hashed = token_hash(token)
    if prefix == SESSION_TOKEN:
        return or_(Session.token_hash == hashed, Session.previous_token_hash == hashed)
    if prefix == REFRESH_TOKEN:
        return Session.family_hash == token_hash(family_of(token))
    return (ApiKey if prefix == KEY_TOKEN else Device).token_hash == hashed


_register(SESSION_TOKEN, 'session', Session)
_register(REFRESH_TOKEN, 'session', Session)
_register(KEY_TOKEN, 'API key', ApiKey)
_register(DEVICE_TOKEN, 'known device', Device)
