"""Second factors: codes of an authenticator (TOTP, RFC 6238), and recovery codes in their stead."""

import hashlib
import hmac
import secrets
from base64 import b32encode
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from urllib.parse import urlsplit

import pyotp
import segno
from flask import current_app
from sqlalchemy import delete, insert, update

from project.auth.errors import (
    OtpInvalid,
    OtpRequired,
    TotpIsOff,
    TotpIsOn,
    WrongOtp,
    WrongRecoveryCode,
)
from project.auth.models import RecoveryCode, Totp
from project.core.clock import now
from project.core.database.session import atomic, db, stepwise
from project.core.database.upsert import insert_or
from project.core.errors import Unauthorized
from project.core.mail import send_mail
from project.core.security.encryption import seal, unseal
from project.core.security.principal import Principal
from project.core.throttling import return_guess, spend_guess
from project.users import service as users

from .passwords import GUESSES, PERIOD, account_of
from .security_events import FAILURE, record

SEALED = 'totp'
STEP = 30  # seconds
# A clock may be wrong by so many steps, either way (RFC 6238, 5.2).
DRIFT = 1
ENROLMENT = timedelta(hours=1)
CODES = 10

# What may happen to a second factor: as events name it, and as mails say it.
CHANGES = {
    'totp_enabled': 'A second factor was turned on',
    'totp_disabled': 'The second factor was turned off',
    'recovery_codes_created': 'New recovery codes were made',
    'recovery_code_used': 'Somebody logged in with a recovery code',
}


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator is shown: the only time that its secret is seen."""

    secret: str
    uri: str
    qr: str


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor that was right: which code is to be used up for it."""

    step: int | None = None
    sealed: bytes | None = None
    code_hash: str | None = None


@atomic()
def begin_totp(asker: Principal) -> Enrolment:
    """Enrol an authenticator; it counts once `confirm_totp` has seen a code of it.

    One that was begun and not confirmed is replaced. Refuses with TotpIsOn where one counts.
    """
    if not users.hold_user(asker.user_id):
        raise Unauthorized
    secret = pyotp.random_base32()
    fresh = {'sealed': seal(SEALED, secret.encode()), 'last_step': 0, 'created_at': now()}
    begun = insert_or(
        Totp,
        {'user_id': asker.user_id, **fresh},
        conflict=['user_id'],
        change=fresh,
        where=Totp.confirmed_at.is_(None),
    )
    if db.session.execute(begun.returning(Totp.user_id)).one_or_none() is None:
        raise TotpIsOn
    issuer = urlsplit(current_app.config['PUBLIC_URL']).hostname
    uri = pyotp.TOTP(secret).provisioning_uri(name=asker.username, issuer_name=issuer)
    return Enrolment(secret, uri, _drawn(uri))


@stepwise
def confirm_totp(asker: Principal, otp: str) -> list[str]:
    """Turn the second factor on with a first code; return ten recovery codes, shown this once.

    Refuses with OtpInvalid a wrong code, and any where nothing was begun within the last hour;
    with GuessesSpent, unchecked, after ten wrong ones in 15 minutes.
    """
    _spend_guess(asker.user_id)
    found = Totp.find(asker.user_id)
    if found is None or found.confirmed_at or found.created_at <= now() - ENROLMENT:
        raise OtpInvalid
    step = _step_of(found.sealed, otp)
    if step is None:
        raise OtpInvalid
    codes = _confirm(asker.user_id, found.sealed, step)
    _return_guess(asker.user_id)
    return codes


@atomic()
def end_totp(asker: Principal) -> None:
    """Turn the second factor off, or forget an enrolment; refuses with TotpIsOff without one."""
    gone = delete(Totp).where(Totp.user_id == asker.user_id).returning(Totp.confirmed_at)
    found = db.session.execute(gone).one_or_none()
    if found is None:
        raise TotpIsOff
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == asker.user_id))
    if found.confirmed_at:
        _tell(asker.user_id, 'totp_disabled')


@atomic()
def renew_recovery_codes(asker: Principal) -> list[str]:
    """Return ten new recovery codes, shown this once; the old ones are dead.

    Refuses with TotpIsOff where there is nothing to recover from.
    """
    on = update(Totp).where(Totp.user_id == asker.user_id, Totp.confirmed_at.is_not(None))
    # Written to hold it: of two at once, the codes of one are dead again.
    held = on.values(last_step=Totp.last_step).returning(Totp.user_id)
    if db.session.execute(held).one_or_none() is None:
        raise TotpIsOff
    codes = _new_codes(asker.user_id)
    _tell(asker.user_id, 'recovery_codes_created')
    return codes


@stepwise
def weigh_factor(user_id: int, *, otp: str | None, recovery_code: str | None) -> Factor | None:
    """Return what a login has shown beside its password, for `use_factor`; None if none is on.

    Refuses with OtpRequired where nothing was shown, WrongOtp, WrongRecoveryCode; with
    GuessesSpent, unchecked, after ten wrong ones in 15 minutes.
    """
    found = Totp.find(user_id)
    if found is None or found.confirmed_at is None:
        return None
    if not otp and not recovery_code:
        raise OtpRequired
    _spend_guess(user_id)
    if otp:
        step = _step_of(found.sealed, otp)
        if step is None or step <= found.last_step:
            _note_failure(user_id, 'otp')
            raise WrongOtp
        # Sealed anew on each use: so it comes under today's key.
        factor = Factor(step=step, sealed=seal(SEALED, _secret(found.sealed)))
    else:
        factor = Factor(code_hash=_hashed(recovery_code or ''))
        if not RecoveryCode.is_there(user_id, factor.code_hash or ''):
            _note_failure(user_id, 'recovery_code')
            raise WrongRecoveryCode
    _return_guess(user_id)
    return factor


def use_factor(user_id: int, factor: Factor | None) -> None:
    """Use a second factor up, in the transaction of the session that it opens (ASVS 6.5.1).

    Of many at once with one code, one succeeds: the others are refused with WrongOtp or
    WrongRecoveryCode. Refuses with OtpRequired if a second factor was turned on meanwhile.
    """
    if factor is None:
        if Totp.is_on(user_id):
            raise OtpRequired
    elif factor.code_hash is None:
        later = update(Totp).where(Totp.user_id == user_id, Totp.last_step < factor.step)
        later = later.values(last_step=factor.step, sealed=factor.sealed)
        if db.session.execute(later.returning(Totp.user_id)).one_or_none() is None:
            raise WrongOtp
    else:
        used = delete(RecoveryCode).where(
            RecoveryCode.user_id == user_id, RecoveryCode.code_hash == factor.code_hash
        )
        if db.session.execute(used.returning(RecoveryCode.user_id)).one_or_none() is None:
            raise WrongRecoveryCode
        _tell(user_id, 'recovery_code_used')


@atomic()
def _confirm(user_id: int, sealed: bytes, step: int) -> list[str]:
    first = update(Totp).where(
        Totp.user_id == user_id, Totp.sealed == sealed, Totp.confirmed_at.is_(None)
    )
    first = first.values(confirmed_at=now(), last_step=step).returning(Totp.user_id)
    if db.session.execute(first).one_or_none() is None:
        raise OtpInvalid
    codes = _new_codes(user_id)
    _tell(user_id, 'totp_enabled')
    return codes


def _new_codes(user_id: int) -> list[str]:
    """Replace a user's recovery codes: 120 random bits each, so a fast hash will do (6.5.2)."""
    made = [b32encode(secrets.token_bytes(15)).decode().lower() for _ in range(CODES)]
    codes = ['-'.join(code[at : at + 4] for at in range(0, 24, 4)) for code in made]
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    rows = [{'user_id': user_id, 'code_hash': _hashed(code)} for code in codes]
    db.session.execute(insert(RecoveryCode), rows)
    return codes


def _hashed(code: str) -> str:
    typed = ''.join(code.split()).replace('-', '').lower()
    return hashlib.sha256(typed.encode()).hexdigest()


def _secret(sealed: bytes) -> bytes:
    secret = unseal(SEALED, sealed)
    if secret is None:
        raise RuntimeError('a second factor is sealed under a key that is not known any more')
    return secret


def _step_of(sealed: bytes, otp: str) -> int | None:
    """Return the step whose code it is, by our clock and not too far from it."""
    generator = pyotp.TOTP(_secret(sealed).decode())
    current = int(now().timestamp()) // STEP
    steps = range(current - DRIFT, current + DRIFT + 1)
    right = [s for s in steps if hmac.compare_digest(generator.generate_otp(s), otp)]
    return right[-1] if right else None


def _spend_guess(user_id: int) -> None:
    spend_guess('otp', account_of(user_id), limit=GUESSES, period=PERIOD)


def _return_guess(user_id: int) -> None:
    return_guess('otp', account_of(user_id))


@atomic()
def _note_failure(user_id: int, factor: str) -> None:
    record('second_factor', user_id, outcome=FAILURE, factor=factor)


def _tell(user_id: int, change: str) -> None:
    """Write down, and mail, that a second factor has changed (ASVS 6.3.7)."""
    record(change, user_id)
    user = users.get_user(user_id)
    send_mail(
        'second_factor_changed',
        to=user.email,
        about=user.id,
        username=user.username,
        name=user.name,
        what=CHANGES[change],
        left=RecoveryCode.count_of(user_id),
    )


def _drawn(uri: str) -> str:
    image = BytesIO()
    segno.make(uri, error='m').save(image, kind='svg', scale=5, xmldecl=False)
    return image.getvalue().decode()
