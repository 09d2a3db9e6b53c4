"""Second factors: codes of an authenticator (TOTP, RFC 6238), and recovery codes."""

import hashlib
import logging
import secrets
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import pyotp.totp
import segno
from flask import current_app
from sqlalchemy import delete, insert, update

from project.auth.errors import (
    OtpInvalid,
    OtpRequired,
    TotpAlreadyEnabled,
    TotpNotEnabled,
    WrongOtp,
    WrongRecoveryCode,
)
from project.auth.models import RecoveryCode, Totp
from project.auth.rows import DeviceRow
from project.core.clock import is_recent, now
from project.core.database.rows import typed_rows
from project.core.database.session import atomic, db, locks_user, non_atomic
from project.core.database.upsert import upsert
from project.core.security.principal import Principal
from project.users import service as users
from project.users.rows import UserRow

from ..attempt_counters import OTP_SESSION, otp_counter, session_target
from ..security_events import OPERATOR, record_security_event
from .pins import normalize_code
from .second_factor_notices import record_and_notify, record_and_notify_failure, record_failure
from .timesteps import find_timestep, last_timestep

log = logging.getLogger(__name__)

ENROLMENT_LIFETIME = timedelta(hours=1)
UNKNOWN_KEY_MESSAGE = (
    'a second factor is encrypted under an unknown SECRET_KEY: add that key to'
    ' SECRET_KEY_FALLBACKS and run `flask secrets rotate`; until then its user needs recovery codes'
)
RECOVERY_CODE_COUNT = 10


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The secret of a new authenticator as text, URI and QR code (SVG), shown only once."""

    secret: str
    uri: str
    qr: str


@dataclass(frozen=True, slots=True)
class Factor:
    """A verified timestep or recovery code, which `consume_second_factor` uses up."""

    step: int | None = None
    encrypted_secret: bytes | None = None
    code_hash: str | None = None


@locks_user('asker')
def start_totp_enrolment(asker: Principal) -> Enrolment:
    """Start to enrol an authenticator. Logins require it only after `confirm_totp`.

    An earlier enrolment that was not confirmed is replaced.

    :raises TotpAlreadyEnabled: if a second factor is on.
    """
    secret = pyotp.random_base32()
    fresh = {
        'encrypted_secret': Totp.encrypt_secret(secret.encode()),
        'last_used_timestep': 0,
        'created_at': now(),
    }
    begun = upsert(
        Totp,
        {'user_id': asker.user_id, **fresh},
        conflict=['user_id'],
        change=fresh,
        where=Totp.confirmed_at.is_(None),
    )
    if db.session.execute(begun.returning(Totp.user_id)).one_or_none() is None:
        raise TotpAlreadyEnabled
    record_security_event('totp_enrolment_started', asker.user_id)
    issuer = urlsplit(current_app.config['PUBLIC_URL']).hostname
    uri = pyotp.totp.TOTP(secret).provisioning_uri(name=asker.username, issuer_name=issuer)
    return Enrolment(secret, uri, _drawn(uri))


@non_atomic
def confirm_totp(asker: Principal, otp: str) -> list[str]:
    """Enable the second factor with a first code; return ten recovery codes.

    The recovery codes are shown only once.

    :raises OtpInvalid: if the code is wrong, or the enrolment is missing or older than an hour.
    :raises TooManyAttempts: after ten wrong codes in 15 minutes; the code is not checked.
    """
    target = session_target(asker.session_id)
    OTP_SESSION.consume(target)
    found = Totp.find(asker.user_id)
    if found is None or found.confirmed_at or not is_recent(found.created_at, ENROLMENT_LIFETIME):
        raise OtpInvalid
    secret = _decrypted_secret(asker.user_id, found.encrypted_secret)
    step = find_timestep(secret, otp)
    if secret is None:
        OTP_SESSION.refund(target)
    if step is None:
        record_failure(asker.user_id, 'enrolment')
        raise OtpInvalid
    codes = _confirm(asker.user_id, found.encrypted_secret, step)
    OTP_SESSION.refund(target)
    return codes


@atomic()
def disable_totp(asker: Principal) -> None:
    """Disable the second factor, or delete an enrolment that was not confirmed.

    :raises TotpNotEnabled: if the user has neither a second factor nor an enrolment.
    """
    found = _delete_totp(asker.user_id)
    if found is None:
        raise TotpNotEnabled
    if found.confirmed_at:
        record_and_notify(asker.user_id, 'totp_disabled')


@atomic()
def disable_totp_of(login: str) -> UserRow:
    """Disable a user's second factor; return the user. A command for operators calls it.

    :raises UserNotFound: if no user has this username or email address.
    :raises TotpNotEnabled: if the user has no second factor.
    """
    user = users.get_user_by_login(login)
    found = _delete_totp(user.id)
    if found is None or not found.confirmed_at:
        raise TotpNotEnabled
    record_and_notify(user.id, 'totp_disabled', actor=OPERATOR)
    return user


@locks_user('asker')
def renew_recovery_codes(asker: Principal) -> list[str]:
    """Return ten new recovery codes, shown only once. They void the old codes.

    :raises TotpNotEnabled: if the user has no second factor.
    """
    on = update(Totp).where(Totp.user_id == asker.user_id, Totp.confirmed_at.is_not(None))
    # This UPDATE locks the row. Of two concurrent requests, the later one voids the earlier codes.
    locked = on.values(last_used_timestep=Totp.last_used_timestep).returning(Totp.user_id)
    if db.session.execute(locked).one_or_none() is None:
        raise TotpNotEnabled
    codes = _new_codes(asker.user_id)
    record_and_notify(asker.user_id, 'recovery_codes_created')
    return codes


@non_atomic
def verify_second_factor(
    user_id: int,
    *,
    otp: str | None,
    recovery_code: str | None,
    device: DeviceRow | None = None,
    session_id: UUID | None = None,
) -> Factor | None:
    """Verify the second factor of a login; return it, or None if the user has none.

    The caller passes the factor to `consume_second_factor`. A wrong factor is reported to the user
    by mail, because the client knows the password (ASVS 6.3.5). If the secret cannot be decrypted,
    an error is logged and no mail is sent.

    :param device: the known device of the login; it decides which counter counts wrong OTPs.
    :param session_id: the session that reauthenticates, which has its own counter.
    :raises OtpRequired: if neither `otp` nor `recovery_code` is given.
    :raises WrongOtp, WrongRecoveryCode: if the code is wrong or used.
    :raises TooManyAttempts: after ten wrong OTPs in 15 minutes; the OTP is not checked. Recovery
        codes are not counted: 120 bits cannot be guessed.
    """
    found = Totp.find(user_id)
    if found is None or found.confirmed_at is None:
        return None
    if not otp and not recovery_code:
        raise OtpRequired
    if otp:
        counter, target = otp_counter(user_id, device, session_id)
        counter.consume(target)
        secret = _decrypted_secret(user_id, found.encrypted_secret)
        step = find_timestep(secret, otp)
        if secret is None:
            # The encryption key is missing, so the code could not be checked: refund the attempt.
            counter.refund(target)
            record_failure(user_id, 'otp')
            raise WrongOtp
        if step is None or step <= found.last_used_timestep <= last_timestep():
            record_and_notify_failure(user_id, 'otp')
            raise WrongOtp
        counter.refund(target)
        # The secret is encrypted again at each use, so that it moves to the newest key.
        factor = Factor(step=step, encrypted_secret=Totp.encrypt_secret(secret))
    else:
        factor = Factor(code_hash=_hashed(recovery_code or ''))
        if not RecoveryCode.exists(user_id, factor.code_hash or ''):
            record_and_notify_failure(user_id, 'recovery_code')
            raise WrongRecoveryCode
    return factor


def consume_second_factor(user_id: int, factor: Factor | None) -> None:
    """Use up a second factor, in the transaction of the login (ASVS 6.5.1).

    :raises OtpRequired: if `factor` is None, but a second factor was enabled in the meantime.
    :raises WrongOtp, WrongRecoveryCode: if a concurrent login has used the code.
    """
    if factor is None:
        if Totp.is_on(user_id):
            raise OtpRequired
    elif factor.code_hash is None:
        unused = ~Totp.last_used_timestep.between(factor.step, last_timestep())
        later = update(Totp).where(Totp.user_id == user_id, unused)
        later = later.values(
            last_used_timestep=factor.step, encrypted_secret=factor.encrypted_secret
        )
        if db.session.execute(later.returning(Totp.user_id)).one_or_none() is None:
            raise WrongOtp
    else:
        used = delete(RecoveryCode).where(
            RecoveryCode.user_id == user_id, RecoveryCode.code_hash == factor.code_hash
        )
        if db.session.execute(used.returning(RecoveryCode.user_id)).one_or_none() is None:
            raise WrongRecoveryCode
        record_and_notify(user_id, 'recovery_code_used')


class _DeletedTotp(NamedTuple):
    confirmed_at: datetime | None


def _delete_totp(user_id: int) -> _DeletedTotp | None:
    gone = delete(Totp).where(Totp.user_id == user_id).returning(Totp.confirmed_at)
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    return next(iter(typed_rows(_DeletedTotp, db.session.execute(gone))), None)


@atomic()
def _confirm(user_id: int, ciphertext: bytes, step: int) -> list[str]:
    first = update(Totp).where(
        Totp.user_id == user_id, Totp.encrypted_secret == ciphertext, Totp.confirmed_at.is_(None)
    )
    first = first.values(confirmed_at=now(), last_used_timestep=step).returning(Totp.user_id)
    if db.session.execute(first).one_or_none() is None:
        raise OtpInvalid
    codes = _new_codes(user_id)
    record_and_notify(user_id, 'totp_enabled')
    return codes


def _new_codes(user_id: int) -> list[str]:
    """Replace the recovery codes of a user; return the new ones.

    A fast hash is enough (ASVS 6.5.2): the 120 random bits of a code cannot be guessed.
    """
    made = [b32encode(secrets.token_bytes(15)).decode().lower() for _ in range(RECOVERY_CODE_COUNT)]
    codes = ['-'.join(code[at : at + 4] for at in range(0, 24, 4)) for code in made]
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    rows = [{'user_id': user_id, 'code_hash': _hashed(code)} for code in codes]
    db.session.execute(insert(RecoveryCode), rows)
    return codes


def _hashed(code: str) -> str:
    return hashlib.sha256(normalize_code(code).lower().encode()).hexdigest()


def _decrypted_secret(user_id: int, ciphertext: bytes) -> bytes | None:
    """Return the secret of an authenticator, or None if its encryption key is unknown.

    If it is unknown, log an error. The caller then refunds the attempt.
    """
    secret = Totp.decrypt_secret(ciphertext)
    if secret is None:
        log.error(UNKNOWN_KEY_MESSAGE, extra={'fields': {'user_id': user_id}})
    return secret


def _drawn(uri: str) -> str:
    segno.make(uri, error='m').save(image := BytesIO(), kind='svg', scale=5, xmldecl=False)
    return image.getvalue().decode()
