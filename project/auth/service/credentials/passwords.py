"""Strength, verification and change of passwords."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import delete, update

from project.auth.errors import PasswordTooWeak, WrongPassword
from project.auth.models import Credential, Session
from project.core.clock import now
from project.core.database.retries import repeatable
from project.core.database.session import atomic, db, non_atomic
from project.core.mail import send_mail
from project.core.request_context import current_request_context
from project.core.security.password_hashing import hash_password, verify_password
from project.core.security.password_strength import is_guessable
from project.core.security.principal import Principal
from project.users import service as users
from project.users.models import email_key
from project.users.rows import UserRow

from ..attempt_counters import SESSION_PASSWORD, session_target
from ..security_events import FAILURE, record_security_event
from .pins import delete_pins

# A generated password was printed on a screen or in a log, so it expires soon (ASVS 6.4.1).
GENERATED_PASSWORD_LIFETIME = timedelta(hours=24)

MIN_PASSWORD_CHARACTERS, MAX_PASSWORD_CHARACTERS = 8, 128


def check_new_password(password: str, *, words: Iterable[str], field: str = 'password') -> None:
    """Ensure that a new password has a valid length and is hard to guess.

    An attacker tries the username, parts of the email address and names of this service first. So
    these words add no strength (ASVS 6.2.4, 6.2.11). A password needs no particular kind of
    characters, such as digits (ASVS 6.2.5).

    :param words: the username and the email address.
    :raises PasswordTooWeak: if it is too short, too long or guessable.
    """
    normal = unicodedata.normalize('NFC', password)
    # The minimum applies to the displayed characters (the normalized text). The maximum applies to
    # the text as sent, because login requests have the same limit.
    if len(normal) < MIN_PASSWORD_CHARACTERS or len(password) > MAX_PASSWORD_CHARACTERS:
        raise PasswordTooWeak(
            f'{MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters', field=field
        )
    plain = normal.casefold()
    known = [*words, *current_app.config['AUTH_CONTEXT_WORDS']]
    parts = {part.casefold() for word in known for part in _parts(word) if len(part) >= 3}
    if any(_is_made_of(plain, part) for part in parts) or is_guessable(normal, sorted(parts)):
        raise PasswordTooWeak(field=field)


@non_atomic
def change_password(asker: Principal, *, current_password: str, new_password: str) -> None:
    """Change the password of a user, end the other sessions and notify the user.

    :raises WrongPassword: if the current password is wrong, or was changed while the new one was
        hashed.
    :raises PasswordTooWeak: if the new password is weak.
    :raises TooManyAttempts: after ten wrong passwords of this session in 15 minutes.
    """
    user = users.get_user(asker.user_id)
    was = verify_session_password(asker, current_password)
    if was is None:
        _record_failure(asker.user_id)
        raise WrongPassword
    check_new_password(new_password, words=[user.username, user.email], field='new_password')
    _store_password(user, hash_password(new_password), was=was, keep=asker.session_id)


def verify_session_password(asker: Principal, password: str) -> str | None:
    """Return the stored password hash if `password` is right, else None.

    If it is wrong, the caller must record the failure. Attempts are counted per session, so that
    failed logins of strangers do not block the user.

    :raises TooManyAttempts: after ten wrong passwords in 15 minutes; the password is not checked.
    """
    target = session_target(asker.session_id)
    SESSION_PASSWORD.consume(target)
    stored = Credential.find_valid_hash(asker.user_id)
    if not verify_password(stored, password):
        return None
    SESSION_PASSWORD.refund(target)
    return stored


@atomic()
def _record_failure(user_id: int) -> None:
    record_security_event('password_changed', user_id, outcome=FAILURE)


@repeatable
@atomic()
def _store_password(user: Any, password_hash: str, *, was: str | None, keep: Any) -> None:
    """Store a new password hash if the stored hash is still the one that was verified.

    Hashing takes a while. Without this condition, an attacker who knows the old password could
    overwrite a change that was made in the meantime.

    :param was: the hash that was verified.
    :param keep: the id of the session that does not end.
    :raises WrongPassword: if the stored hash has changed.
    """
    same = update(Credential).where(Credential.user_id == user.id, Credential.password_hash == was)
    changed = same.values(password_hash=password_hash, changed_at=now(), expires_at=None)
    if db.session.execute(changed.returning(Credential.user_id)).one_or_none() is None:
        raise WrongPassword
    # A PIN that was requested before this change must not replace the new password.
    delete_pins(email_key(user.email))
    end_sessions_after('password_changed', user, keep=keep)


def end_sessions_after(event: str, user: UserRow, *, keep: UUID | None = None) -> None:
    """End the sessions of a user after a change of the password, and notify the user.

    Call it inside `atomic`.

    :param event: the kind of the security event to record, such as `password_changed`.
    :param keep: the id of a session that does not end, if any.
    """
    others = delete(Session).where(Session.user_id == user.id, Session.id != keep)
    rows = others.returning(Session.user_agent, Session.ip_address.label('address'))
    ended = [row._asdict() for row in db.session.execute(rows)]
    record_security_event(event, user.id, sessions=len(ended))
    send_mail(
        'password_changed',
        to=user.email,
        about=user.id,
        username=user.username,
        name=user.name,
        address=current_request_context().ip_address,
        ended=ended,
    )


def _is_made_of(password: str, word: str) -> bool:
    # A password is rejected if it consists of the word, once or repeated, and at most two other
    # characters.
    return len(password.replace(word, '')) <= 2


def _parts(word: str) -> list[str]:
    """Return a word and its parts; for an email address, also its local part and its domain."""
    local, _, domain = word.partition('@')
    return [word, local, domain, *re.split(r'[\W_]+', word)]
