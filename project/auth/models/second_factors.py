"""Second factors: encrypted TOTP secrets, and hashes of recovery codes."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, bindparam, func, select
from sqlalchemy.orm import Mapped, mapped_column

from project.auth.rows import TotpRow
from project.core.clock import now
from project.core.database.compiled_query import CompiledQuery
from project.core.database.encrypted_columns import register_encrypted_column
from project.core.database.session import Base, execute_select
from project.core.database.types import UTCDateTime
from project.core.security.encryption import decrypt, encrypt

ENCRYPTION_PURPOSE = 'totp'


class Totp(Base):
    """The shared secret of a user's authenticator (RFC 6238).

    After the user has confirmed it, logins require a code of the authenticator.
    """

    __tablename__ = 'auth_totp'

    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'), primary_key=True)
    encrypted_secret: Mapped[bytes] = mapped_column(LargeBinary)
    # The timestep of the last accepted code. Codes of this timestep and of earlier ones are
    # rejected (ASVS 6.5.1).
    last_used_timestep: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    @staticmethod
    def encrypt_secret(secret: bytes) -> bytes:
        """Return the ciphertext of a secret, under the newest key."""
        return encrypt(ENCRYPTION_PURPOSE, secret)

    @staticmethod
    def decrypt_secret(ciphertext: bytes) -> bytes | None:
        """Return the secret, or None if the key of the ciphertext is unknown."""
        return decrypt(ENCRYPTION_PURPOSE, ciphertext)

    @classmethod
    def find(cls, user_id: int) -> TotpRow | None:
        """Return the authenticator of a user, confirmed or not."""
        return ENROLLED.first(user_id=user_id)

    @classmethod
    def is_on(cls, user_id: int) -> bool:
        """Return whether a user has a confirmed second factor."""
        found = cls.find(user_id)
        return found is not None and found.confirmed_at is not None


class RecoveryCode(Base):
    """A recovery code, which can be used once instead of a code of the authenticator.

    It is stored as a fast hash (SHA-256), because 120 random bits cannot be guessed.
    """

    __tablename__ = 'auth_recovery_codes'

    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)

    @classmethod
    def exists(cls, user_id: int, code_hash: str) -> bool:
        """Return whether a code is an unused code of the user."""
        same = select(cls.user_id).where(cls.user_id == user_id, cls.code_hash == code_hash)
        return execute_select(same).one_or_none() is not None

    @classmethod
    def count_of(cls, user_id: int) -> int:
        """Return the number of unused codes of a user."""
        return int(execute_select(select(func.count()).where(cls.user_id == user_id)).scalar_one())


ENROLLED = CompiledQuery(
    TotpRow,
    select(
        Totp.encrypted_secret, Totp.last_used_timestep, Totp.created_at, Totp.confirmed_at
    ).where(Totp.user_id == bindparam('user_id')),
)

register_encrypted_column(
    'secrets of authenticators',
    Totp.encrypted_secret,
    purpose=ENCRYPTION_PURPOSE,
    used_in=__name__,
    effect='401 for every code of the authenticator; recovery codes work',
)
