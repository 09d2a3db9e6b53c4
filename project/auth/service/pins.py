"""PINs: six digits by mail, typed by a person. Bound to a purpose and an address, five tries."""

import secrets
from datetime import timedelta

from sqlalchemy import delete, update

from project.auth.errors import WrongPin
from project.auth.models import Pin
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.database.upsert import upsert
from project.core.ip_addresses import network_of
from project.core.request_context import current_request_context
from project.core.security.key_usage import register_expiring_values
from project.core.security.signing import compute_hmac, verify_hmac
from project.core.throttling import consume_attempt, refund_attempt

from .security_events import FAILURE, record_security_event

PIN_LIFETIME = timedelta(minutes=10)
MAX_PIN_ATTEMPTS = 5
DAY = timedelta(days=1)
MAX_DAILY_ATTEMPTS_PER_EMAIL, MAX_DAILY_ATTEMPTS_PER_NETWORK = 20, 100

register_expiring_values(
    'PINs in mails',
    used_in=__name__,
    lifetime=PIN_LIFETIME,
    effect='422 for the PIN; the user requests another one',
)


def issue_pin(purpose: str, key: str) -> str:
    """Return a new PIN for an address; all older ones for this purpose are void. Inside `atomic`.

    To be called alike where no PIN will be mailed, so that nobody can tell by the time it takes.
    """
    pin = f'{secrets.randbelow(1_000_000):06}'
    fresh = {
        'code_hmac': compute_hmac(purpose, f'{key} {pin}'),
        'attempts_left': MAX_PIN_ATTEMPTS,
        'expires_at': now() + PIN_LIFETIME,
    }
    values = {'purpose': purpose, 'email_key': key, **fresh}
    db.session.execute(upsert(Pin, values, conflict=('purpose', 'email_key'), change=fresh))
    return pin


def verify_pin(purpose: str, key: str, pin: str) -> bytes:
    """Spend a try and return the mark of the right PIN, for `consume_pin`; refuses with WrongPin.

    Counted before it is checked, and beyond the single PIN: 20 a day per address, 100 per network.
    """
    consume_pin_attempt(key)
    stored = _consume_try(purpose, key)
    # Compared also where there is nothing to compare with: it takes the same time.
    if not verify_hmac(stored or bytes(32), purpose, f'{key} {pin}') or stored is None:
        _record_failure(purpose)
        raise WrongPin
    return stored


def consume_pin(purpose: str, key: str, mark: bytes) -> None:
    """Use a PIN up, in the transaction of what it was for; of many at once one succeeds."""
    used = delete(Pin).where(Pin.purpose == purpose, Pin.email_key == key, Pin.code_hmac == mark)
    if db.session.execute(used.returning(Pin.email_key)).one_or_none() is None:
        raise WrongPin
    refund_pin_attempt(key)


def consume_pin_attempt(key: str) -> None:
    """Count a guess at a code that was mailed to an address, or refuse with TooManyAttempts."""
    # The network first: one that is spent must not go on to spend the guesses of every address.
    consume_attempt('pin-network', _network(), limit=MAX_DAILY_ATTEMPTS_PER_NETWORK, period=DAY)
    consume_attempt('pin', key, limit=MAX_DAILY_ATTEMPTS_PER_EMAIL, period=DAY)


def refund_pin_attempt(key: str) -> None:
    """Give a right guess back."""
    refund_attempt('pin', key)
    refund_attempt('pin-network', _network())


def delete_pins(key: str) -> None:
    """Let go of all PINs of an address. Inside `atomic`."""
    db.session.execute(delete(Pin).where(Pin.email_key == key))


@atomic()
def _consume_try(purpose: str, key: str) -> bytes | None:
    spent = (
        update(Pin)
        .where(Pin.purpose == purpose, Pin.email_key == key)
        .where(Pin.attempts_left > 0, Pin.expires_at > now())
        .values(attempts_left=Pin.attempts_left - 1)
    )
    return db.session.scalar(spent.returning(Pin.code_hmac))


@atomic()
def _record_failure(purpose: str) -> None:
    record_security_event('pin', None, outcome=FAILURE, purpose=purpose.partition(':')[0])


def _network() -> str:
    """Return the network of the asker: what one household or company usually has (/24, /64)."""
    return network_of(current_request_context().ip_address, v4_prefix=24)
