"""PINs: six digits by mail, typed by a person. Bound to a purpose and an address, five tries."""

import secrets
from datetime import timedelta

from sqlalchemy import delete, update

from project.auth.errors import WrongPin
from project.auth.models import Pin
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.database.upsert import insert_or
from project.core.ip_addresses import network_of
from project.core.request_context import current_origin
from project.core.security.signing import is_mac, mac
from project.core.throttling import return_guess, spend_guess

from .security_events import FAILURE, record

LIFETIME = timedelta(minutes=10)
TRIES = 5
DAY = timedelta(days=1)
DAILY_PER_ADDRESS, DAILY_PER_NETWORK = 20, 100


def issue_pin(purpose: str, key: str) -> str:
    """Return a new PIN for an address; all older ones for this purpose are void. Inside `atomic`.

    To be called alike where no PIN will be mailed, so that nobody can tell by the time it takes.
    """
    pin = f'{secrets.randbelow(1_000_000):06}'
    fresh = {
        'mac': mac(purpose, f'{key} {pin}'),
        'tries_left': TRIES,
        'expires_at': now() + LIFETIME,
    }
    values = {'purpose': purpose, 'email_key': key, **fresh}
    db.session.execute(insert_or(Pin, values, conflict=('purpose', 'email_key'), change=fresh))
    return pin


def try_pin(purpose: str, key: str, pin: str) -> bytes:
    """Spend a try and return the mark of the right PIN, for `consume_pin`; refuses with WrongPin.

    Counted before it is checked, and beyond the single PIN: 20 a day per address, 100 per network.
    """
    spend_pin_guess(key)
    stored = _spend_try(purpose, key)
    # Compared also where there is nothing to compare with: it takes the same time.
    if not is_mac(stored or bytes(32), purpose, f'{key} {pin}') or stored is None:
        _note_failure(purpose)
        raise WrongPin
    return stored


def consume_pin(purpose: str, key: str, mark: bytes) -> None:
    """Use a PIN up, in the transaction of what it was for; of many at once one succeeds."""
    used = delete(Pin).where(Pin.purpose == purpose, Pin.email_key == key, Pin.mac == mark)
    if db.session.execute(used.returning(Pin.email_key)).one_or_none() is None:
        raise WrongPin
    return_pin_guess(key)


def spend_pin_guess(key: str) -> None:
    """Count a guess at a code that was mailed to an address, or refuse with GuessesSpent."""
    # The network first: one that is spent must not go on to spend the guesses of every address.
    spend_guess('pin-network', _network(), limit=DAILY_PER_NETWORK, period=DAY)
    spend_guess('pin', key, limit=DAILY_PER_ADDRESS, period=DAY)


def return_pin_guess(key: str) -> None:
    """Give a right guess back."""
    return_guess('pin', key)
    return_guess('pin-network', _network())


def forget_pins(key: str) -> None:
    """Let go of all PINs of an address. Inside `atomic`."""
    db.session.execute(delete(Pin).where(Pin.email_key == key))


@atomic()
def _spend_try(purpose: str, key: str) -> bytes | None:
    spent = (
        update(Pin)
        .where(Pin.purpose == purpose, Pin.email_key == key)
        .where(Pin.tries_left > 0, Pin.expires_at > now())
        .values(tries_left=Pin.tries_left - 1)
    )
    return db.session.scalar(spent.returning(Pin.mac))


@atomic()
def _note_failure(purpose: str) -> None:
    record('pin', None, outcome=FAILURE, purpose=purpose.partition(':')[0])


def _network() -> str:
    """Return the network of the asker: what one household or company usually has (/24, /64)."""
    return network_of(current_origin().address, v4_prefix=24)
