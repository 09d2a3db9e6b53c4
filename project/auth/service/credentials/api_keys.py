"""API keys: creation, list, deletion and authentication."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, update

from project.auth.errors import ExpiryPast, KeyNotFound, ScopeUnknown, TooManyKeys
from project.auth.models import KEYS, KEYS_OF_USER, ApiKey
from project.auth.rows import CreatedKey, ListedKeyRow, LiveKeyRow
from project.core.clock import is_recent, now, rfc3339
from project.core.database.keyset_pagination import Page, PageRequest, iterate_pages
from project.core.database.retries import repeatable
from project.core.database.session import atomic, db, locks_user
from project.core.mail import send_mail
from project.core.security.permissions import all_permissions
from project.core.security.principal import Principal
from project.core.security.tokens import new_token, token_hash
from project.core.tasks import complete_with_transaction, enqueue_at, task
from project.users import service as users
from project.users.models import ACTIVE, permissions_of

from ..security_events import record_security_event

KEY_TOKEN = 'pak'
MAX_API_KEYS_PER_USER = 50
PREFIX_CHARACTERS = 12  # characters of a key by which its owner recognizes it
EXPIRY_REMINDER_LEAD = timedelta(days=7)
LAST_USED_INTERVAL = timedelta(minutes=1)

# A time long ago, so that a request with an API key never counts as a fresh login.
NEVER_AUTHENTICATED = datetime.min.replace(tzinfo=UTC)


@repeatable
@locks_user('asker')
def create_key(
    asker: Principal, *, name: str, scopes: Iterable[str], expires_at: datetime | None = None
) -> CreatedKey:
    """Create an API key and notify its owner.

    Returns the key with its token, which is shown only once.

    :raises ScopeUnknown: if a scope is not a permission that a feature declares.
    :raises PrivilegeEscalation: if a scope is a permission that the caller does not hold.
    :raises ExpiryPast: if `expires_at` is in the past.
    :raises TooManyKeys: if the caller has 50 keys.
    """
    _ensure_scopes_allowed(asker, frozenset(scopes))
    if expires_at and expires_at <= now():
        raise ExpiryPast
    if ApiKey.count_of(asker.user_id) >= MAX_API_KEYS_PER_USER:
        raise TooManyKeys
    token = new_token(KEY_TOKEN)
    prefix = token[:PREFIX_CHARACTERS]
    key: CreatedKey = {
        'id': uuid4(), 'name': name, 'scopes': sorted(set(scopes)), 'created_at': now(),
        'expires_at': expires_at, 'last_used_at': None, 'hint': prefix, 'key': token,
    }  # fmt: skip
    db.session.add(
        ApiKey(
            id=key['id'],
            user_id=asker.user_id,
            name=name,
            token_hash=token_hash(token),
            prefix=prefix,
            scopes=key['scopes'],
            created_at=key['created_at'],
            expires_at=expires_at,
        )
    )
    if expires_at and expires_at - now() > EXPIRY_REMINDER_LEAD:
        reminded_at = expires_at - EXPIRY_REMINDER_LEAD
        enqueue_at(reminded_at, send_key_expiry_reminder, str(key['id']), asker.user_id)
    record_security_event('key_created', asker.user_id, key=str(key['id']), scopes=key['scopes'])
    _send_key_notice(asker.user_id, 'key_created', name=name, hint=prefix, scopes=key['scopes'])
    return key


def list_keys(asker: Principal, page: PageRequest) -> Page[ListedKeyRow]:
    """Return a page of the caller's keys, newest first."""
    return KEYS.page(KEYS_OF_USER, page, user_id=asker.user_id)


def list_keys_of(user_id: int) -> Iterator[ListedKeyRow]:
    """Yield all API keys of a user, newest first. Commands for operators call it."""
    return iterate_pages(lambda page: KEYS.page(KEYS_OF_USER, page, user_id=user_id))


@repeatable
@atomic()
def delete_key(user_id: int, key_id: UUID) -> None:
    """Delete one of a user's keys.

    :raises KeyNotFound: if the user has no such key.
    """
    gone = delete(ApiKey).where(ApiKey.user_id == user_id, ApiKey.id == key_id)
    if db.session.execute(gone.returning(ApiKey.id)).one_or_none() is None:
        raise KeyNotFound
    record_security_event('key_deleted', user_id, key=str(key_id))


def identify_key(token: str) -> Principal | None:
    """Return the principal of a live API key of an active user, or None.

    Also updates when the key was last used, at most once per `LAST_USED_INTERVAL`.
    """
    found = ApiKey.find_live(token_hash(token))
    if found is None or found.status != ACTIVE:
        return None
    if found.last_used_at is None or not is_recent(found.last_used_at, LAST_USED_INTERVAL):
        _record_use(found.key_id)
    return _principal_of(found)


def find_key_principal(key_id: UUID) -> Principal | None:
    """Return the principal of an API key by its id, or None. The use of the key is not recorded.

    The key must be live, and its user active.
    """
    found = ApiKey.find_live_by_id(key_id)
    return _principal_of(found) if found and found.status == ACTIVE else None


def _principal_of(found: LiveKeyRow) -> Principal:
    return Principal(
        user_id=found.id,
        username=found.username,
        permissions=permissions_of(found.roles),
        session_id=None,
        authenticated_at=NEVER_AUTHENTICATED,
        user=found,
        scopes=frozenset(found.scopes),
        key_id=found.key_id,
    )


@task(idempotent='a second run sends no mail', queue='mail', subject_argument='user_id')
def send_key_expiry_reminder(key_id: str, user_id: int | None = None) -> None:
    """Mail the active owner of a key that it expires soon.

    :param user_id: the owner of the key; None in a task of an older version.
    """
    with atomic():
        complete_with_transaction()
        key = ApiKey.find(UUID(key_id))
        if key is None or not users.is_active(key.user_id):
            return
        if key.expires_at and key.expires_at > now():
            moment = rfc3339(key.expires_at)
            _send_key_notice(
                key.user_id, 'key_expiring', name=key.name, hint=key.prefix, expires_at=moment
            )


def _ensure_scopes_allowed(asker: Principal, scopes: frozenset[str]) -> None:
    if not scopes <= all_permissions():
        raise ScopeUnknown
    users.ensure_holds_all_permissions(asker, scopes)


def _send_key_notice(user_id: int, template: str, **context: Any) -> None:
    user = users.get_user(user_id)
    send_mail(template, to=user.email, about=user_id, username=user.username, **context)


@atomic()
def _record_use(key_id: UUID) -> None:
    db.session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now()))
