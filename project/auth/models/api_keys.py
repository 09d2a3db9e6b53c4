"""API keys: credentials of programs, limited to scopes."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, String, Uuid, bindparam, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from project.auth.rows import ApiKeyRow, ListedKeyRow, LiveKeyRow
from project.core.clock import now
from project.core.database.compiled_query import CompiledQuery
from project.core.database.keyset_pagination import Keyset
from project.core.database.rows import select_row
from project.core.database.session import Base, execute_select
from project.core.database.types import UTCDateTime, WordList
from project.users.models import USER_SELECT, User


class ApiKey(Base):
    """An API key, stored as a hash.

    At each request, it has the permissions that are among its scopes and that its owner still
    holds.
    """

    __tablename__ = 'auth_api_keys'
    __table_args__ = (Index(None, 'user_id', 'created_at'),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'))
    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    # The first characters of the key, so that its owner can recognize it in a list.
    prefix: Mapped[str] = mapped_column(String(12))
    scopes: Mapped[list[str]] = mapped_column(WordList)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    @classmethod
    def find_live(cls, token_hash: str) -> LiveKeyRow | None:
        """Return the key, user and roles of a token. The guard needs only this SELECT."""
        return LIVE_KEY.first(token_hash=token_hash, moment=now())

    @classmethod
    def find_live_by_id(cls, key_id: UUID) -> LiveKeyRow | None:
        """Return the API key with an id, with the same columns as `find_live`."""
        return LIVE_KEY_BY_ID.first(key_id=key_id, moment=now())

    @classmethod
    def find(cls, key_id: UUID) -> ApiKeyRow | None:
        """Return an API key, with the columns for mails to its owner."""
        shown = select(cls.user_id, cls.name, cls.prefix, cls.expires_at)
        return select_row(ApiKeyRow, shown.where(cls.id == key_id))

    @classmethod
    def count_of(cls, user_id: int) -> int:
        """Return the number of API keys of a user."""
        return int(execute_select(select(func.count()).where(cls.user_id == user_id)).scalar_one())


_lives = or_(
    ApiKey.expires_at.is_(None), ApiKey.expires_at > bindparam('moment', type_=UTCDateTime())
)

_with_user = USER_SELECT.add_columns(
    ApiKey.id.label('key_id'), ApiKey.scopes, ApiKey.last_used_at,
    ApiKey.created_at.label('key_created_at'),
).join(ApiKey, User.id == ApiKey.user_id).where(_lives)  # fmt: skip

LIVE_KEY = CompiledQuery(LiveKeyRow, _with_user.where(ApiKey.token_hash == bindparam('token_hash')))
LIVE_KEY_BY_ID = CompiledQuery(
    LiveKeyRow, _with_user.where(ApiKey.id == bindparam('key_id', type_=Uuid()))
)

KEYS_OF_USER = select(
    ApiKey.id, ApiKey.name, ApiKey.prefix.label('hint'), ApiKey.scopes, ApiKey.created_at,
    ApiKey.expires_at, ApiKey.last_used_at,
).where(ApiKey.user_id == bindparam('user_id'))  # fmt: skip

KEYS = Keyset(
    ListedKeyRow,
    'auth_api_keys',
    sorts={'created_at': ApiKey.created_at, 'name': ApiKey.name},
    key=ApiKey.id,
    default='-created_at',
)
