"""Misspelt names of the feature `auth`; the type checker must report each.

`tests/users/misspellings.py` explains how this is checked.
"""

from project.auth import errors
from project.auth import service as auth
from project.auth.models import ApiKey, Session, Totp
from project.auth.routes.accounts import AccountCreateBody
from project.auth.routes.sessions import SessionCreateBody


def columns(user_id: int) -> list[object]:
    """Misspelt columns of rows, from models and services."""
    session, key, totp = (
        Session.find_live('hash'),
        ApiKey.find_live('hash'),
        Totp.find(user_id),
    )
    assert session is not None
    assert key is not None
    assert totp is not None
    return [
        session.sesion_id,  # type: ignore[attr-defined]
        key.scope,  # type: ignore[attr-defined]
        totp.confirmed,  # type: ignore[attr-defined]
        next(auth.list_keys_of(user_id)).expires,  # type: ignore[attr-defined]
    ]


def bodies(account: AccountCreateBody, login: SessionCreateBody) -> object:
    """Misspelt fields of request bodies."""
    return (
        account['usernmae'],  # type: ignore[typeddict-item]
        login['pasword'],  # type: ignore[typeddict-item]
    )


def names() -> object:
    """Misspelt errors."""
    return errors.TokenNotFuond  # type: ignore[attr-defined]
