"""The table of idempotency keys: its rows, their limit and their deletion."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Index, LargeBinary, String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.cleanup import delete_expired_rows, finish_cleanup
from project.core.database.encrypted_columns import register_encrypted_column
from project.core.database.named_locks import lock_name
from project.core.database.session import Base, db, execute_select
from project.core.database.types import UTCDateTime
from project.core.database.upsert import insert_or_ignore
from project.core.security.encryption import decrypt, encrypt
from project.core.tasks import task

from .errors import (
    IdempotencyKeyReused,
    IdempotentRequestRunning,
    IdempotentResponseLost,
    TooManyIdempotencyKeys,
)

LIFETIME = timedelta(hours=24)
# The limit of stored keys per user. A row has about 1 KB.
MAX_KEYS_PER_USER = 10_000
PURPOSE = 'idempotency'


class IdempotencyKey(Base):
    """A finished request with an idempotency key, and its response."""

    __tablename__ = 'core_idempotency_keys'
    __table_args__ = (Index(None, 'expires_at'),)

    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # Method and URL rule, such as `POST /api/v1/users`.
    route: Mapped[str] = mapped_column(String(255), primary_key=True)
    # SHA-256 of the key of the client.
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    # SHA-256 of URL and body.
    fingerprint: Mapped[str] = mapped_column(String(64))
    # The response, encrypted: it may contain personal data of other users.
    encrypted_response: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)


register_encrypted_column(
    'responses of idempotent requests',
    IdempotencyKey.encrypted_response,
    purpose=PURPOSE,
    used_in=__name__,
    effect='a repeated request returns 409 instead of the first response',
)


class KeyScope(NamedTuple):
    """The primary key of a row: keys of other users and routes are different keys."""

    user_id: int
    route: str
    key_hash: str

    @classmethod
    def of(cls, user_id: int, route: str, key: str) -> 'KeyScope':
        """Return the scope of the key that a client has sent."""
        return cls(user_id, route, sha256(key.encode()).hexdigest())

    @property
    def text(self) -> str:
        """The scope as one text."""
        return '\n'.join(map(str, self))


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response: its status, its headers and its body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def lock_key(scope: KeyScope) -> bool:
    """Lock a key until the transaction ends; return False if another transaction has locked it.

    On SQLite, only one transaction writes at a time. There, the transaction of a repeated request
    begins after the end of the first one.
    """
    return lock_name(f'idempotency:{scope.text}', wait=False)


def find_response(scope: KeyScope, fingerprint: str) -> StoredResponse | None:
    """Return the response of an earlier request with a key, or None if there was no such request.

    Call it inside `atomic`, after `lock_key`.

    :raises IdempotencyKeyReused: if the earlier request had another fingerprint.
    :raises IdempotentResponseLost: if no secret key decrypts the response.
    """
    row = IdempotencyKey
    found = select(row.fingerprint, row.encrypted_response, row.expires_at).where(*_is(scope))
    stored = execute_select(found).one_or_none()
    if stored is None:
        return None
    if stored.expires_at <= now():
        # The clean-up has not yet deleted this row.
        db.session.execute(delete(row).where(*_is(scope)))
        return None
    if stored.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return _decrypt(scope, stored.encrypted_response)


def store_response(scope: KeyScope, fingerprint: str, response: StoredResponse) -> None:
    """Store the response of a request in the transaction of its effect.

    Call it inside `atomic`, after `lock_key`.

    :raises IdempotentRequestRunning: if another transaction has stored the key in the meantime.
    :raises TooManyIdempotencyKeys: if the user has `MAX_KEYS_PER_USER` keys.
    """
    _ensure_below_limit(scope.user_id)
    values = {
        **scope._asdict(),
        'fingerprint': fingerprint,
        'encrypted_response': _encrypt(scope, response),
        'expires_at': now() + LIFETIME,
    }
    added = insert_or_ignore(IdempotencyKey).values(values).returning(IdempotencyKey.key_hash)
    if db.session.execute(added).one_or_none() is None:
        raise IdempotentRequestRunning


def export_idempotency_keys(user_id: int) -> list[Any]:
    """Return the requests of a user with keys, for the export of personal data.

    The export contains no responses: a response repeats the state of an object.
    """
    row = IdempotencyKey
    found = select(row.route, row.expires_at).where(row.user_id == user_id)
    return list(execute_select(found.order_by(row.expires_at, row.route)))


def delete_idempotency_keys_of(user_id: int) -> None:
    """Delete the keys of a user. Call it inside `atomic`."""
    db.session.execute(delete(IdempotencyKey).where(IdempotencyKey.user_id == user_id))


@task(idempotent='a second run finds no expired keys', queue='slow', cron='7 * * * *')
def delete_expired_keys() -> None:
    """Delete the idempotency keys that are older than 24 hours, every hour."""
    finish_cleanup(delete_expired_rows({'idempotency keys': (IdempotencyKey.expires_at, now())}))


def _is(scope: KeyScope) -> tuple[Any, ...]:
    row = IdempotencyKey
    return (
        row.user_id == scope.user_id,
        row.route == scope.route,
        row.key_hash == scope.key_hash,
    )


def _ensure_below_limit(user_id: int) -> None:
    row = IdempotencyKey
    own = select(row.key_hash).where(row.user_id == user_id).limit(MAX_KEYS_PER_USER)
    if execute_select(select(func.count()).select_from(own.subquery())).scalar_one() < (
        MAX_KEYS_PER_USER
    ):
        return
    oldest = select(func.min(row.expires_at, type_=UTCDateTime)).where(row.user_id == user_id)
    wait = execute_select(oldest).scalar_one() - now()
    raise TooManyIdempotencyKeys(int(wait.total_seconds()) + 1)


def _encrypt(scope: KeyScope, response: StoredResponse) -> bytes:
    """Encrypt a response together with its scope.

    So a person who can write to the database, but has no secret key, cannot move a response to the
    row of another user.
    """
    content = [scope.text, response.status, response.headers, b64encode(response.body).decode()]
    return encrypt(PURPOSE, json.dumps(content).encode())


def _decrypt(scope: KeyScope, ciphertext: bytes) -> StoredResponse:
    content = decrypt(PURPOSE, ciphertext)
    if content is None:
        raise IdempotentResponseLost
    text, status, headers, body = json.loads(content)
    if text != scope.text:
        raise IdempotentResponseLost
    return StoredResponse(status, [tuple(header) for header in headers], b64decode(body))
