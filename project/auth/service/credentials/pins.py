"""PINs that are mailed to users: six digits, which allow five attempts.

The third and later mails of a day contain codes of 80 bits instead. A PIN or code is valid only for
its purpose and the exact email address to which it was mailed.
"""

import secrets
from base64 import b32encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, update

from project.auth.errors import WrongPin
from project.auth.models import Pin
from project.core.clock import now
from project.core.database.retries import repeatable
from project.core.database.session import atomic, db
from project.core.database.upsert import upsert
from project.core.mail import send_mail
from project.core.request_context import current_request_context
from project.core.security.key_usage import register_expiring_values
from project.core.security.signing import compute_hmac, verify_hmac
from project.users.models import email_key

from ..attempt_counters import (
    PIN_MAIL,
    PIN_NETWORK,
    is_within_limit,
    mail_target,
    network_target,
)
from ..security_events import FAILURE, record_security_event

VERIFICATION_PURPOSE = 'verification'
RESET_PURPOSE = 'password-reset'
EMAIL_CHANGE_PURPOSE = 'email-change'
PIN_PURPOSES = (VERIFICATION_PURPOSE, RESET_PURPOSE, EMAIL_CHANGE_PURPOSE)

PIN_LIFETIME, CODE_LIFETIME = timedelta(minutes=10), timedelta(hours=24)
MAX_PIN_ATTEMPTS = 5
# This limit applies per mailbox and purpose. Further mails of the day contain codes, which
# strangers cannot void by wrong attempts.
MAX_PINS_PER_DAY = 2
CODE_BYTES, CODE_CHARACTERS = 10, 16

register_expiring_values(
    'PINs and codes in mails',
    used_in=__name__,
    lifetime=CODE_LIFETIME,
    effect='422 for the PIN or code; the user requests another one',
)


@dataclass(frozen=True, slots=True)
class IssuedPin:
    """A new PIN or code in plain text, to be mailed, and its lifetime."""

    text: str
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class VerifiedPin:
    """A right PIN or code, which `consume_pin` deletes, and its email address."""

    code_hmac: bytes
    email: str


def new_code() -> str:
    """Return a random code of 80 bits: 16 characters of base32, in groups of four."""
    code = b32encode(secrets.token_bytes(CODE_BYTES)).decode()
    return '-'.join(code[at : at + 4] for at in range(0, CODE_CHARACTERS, 4))


def normalize_code(typed: str) -> str:
    """Return a PIN or code as typed by a user, without blanks and dashes, in upper case."""
    return ''.join(typed.split()).replace('-', '').upper()


def mail_pin(template: str, purpose: str, *, to: str, about: int | None, **values: Any) -> bool:
    """Mail a new PIN and count the mail; return whether a mail is sent.

    Call it inside `atomic`. Only this function mails PINs. Call it in a task, so that a request
    neither counts mails nor looks the email address up. After ten mails a day, it mails a further
    code only if no code for this exact email address and purpose is valid. So the owner of an email
    address always has a valid code.
    """
    is_counted = is_within_limit(PIN_MAIL, mail_target(purpose, email_key(to)))
    if not is_counted and Pin.find_codes(purpose, [to]):
        return False
    issued = issue_pin(purpose, to)
    lifetime = issued.lifetime.total_seconds()
    secret = {'pin': issued.text}
    send_mail(template, to=to, about=about, secret=secret, lifetime=lifetime, **values)
    return True


def issue_pin(purpose: str, email: str) -> IssuedPin:
    """Create and return a PIN for an email address; void older PINs of the same purpose.

    For the third and later mails of a day, it is a code instead. Call it inside `atomic`.
    """
    key = email_key(email)
    if PIN_MAIL.count_of(mail_target(purpose, key)) > MAX_PINS_PER_DAY:
        issued, attempts_left = IssuedPin(new_code(), CODE_LIFETIME), None
    else:
        pin = f'{secrets.randbelow(1_000_000):06}'
        issued, attempts_left = IssuedPin(pin, PIN_LIFETIME), MAX_PIN_ATTEMPTS
    fresh = {
        'code_hmac': compute_hmac(purpose, _message(email, normalize_code(issued.text))),
        'attempts_left': attempts_left,
        'expires_at': now() + issued.lifetime,
    }
    values = {'purpose': purpose, 'email': email, 'email_key': key, **fresh}
    db.session.execute(upsert(Pin, values, conflict=('purpose', 'email'), change=fresh))
    return issued


def verify_pin(purpose: str, pin: str, *, emails: Iterable[str]) -> VerifiedPin:
    """Verify a PIN or code, and record a failure. Pass the result to `consume_pin`.

    A PIN is counted before the check: as an attempt at each PIN with which it is compared, and as
    an attempt of the client's network. A code is not counted, because 80 bits cannot be guessed.

    :param emails: the exact email addresses that the PIN may have been mailed to.
    :raises WrongPin: if it is wrong, used, expired or replaced by a newer one.
    :raises TooManyAttempts: if the network sent too many wrong PINs.
    """
    typed, emails = normalize_code(pin), list(dict.fromkeys(emails))
    is_code = len(typed) == CODE_CHARACTERS
    network = network_target(current_request_context().ip_address)
    if is_code:
        stored = Pin.find_codes(purpose, emails)
    else:
        PIN_NETWORK.consume(network)
        stored = _consume_tries(purpose, emails)
    # Without a stored PIN, compare with zeros, so that the response takes the same time.
    matches = [
        email
        for email in emails
        if verify_hmac(stored.get(email, bytes(32)), purpose, _message(email, typed))
    ]
    if not matches:
        record_pin_failure(purpose)
        raise WrongPin
    if not is_code:
        PIN_NETWORK.refund(network)
    return VerifiedPin(stored[matches[0]], matches[0])


def consume_pin(purpose: str, verified: VerifiedPin) -> None:
    """Delete a PIN or code in the transaction that it authorizes.

    If several concurrent requests use the same PIN, only one succeeds.

    :raises WrongPin: if it was used or replaced in the meantime.
    """
    used = delete(Pin).where(
        Pin.purpose == purpose, Pin.email == verified.email, Pin.code_hmac == verified.code_hmac
    )
    if db.session.execute(used.returning(Pin.email)).one_or_none() is None:
        raise WrongPin


def delete_pins(key: str) -> None:
    """Delete all PINs and codes of an email address, in any spelling.

    Call it inside `atomic`.

    :param key: the `email_key` of the email address.
    """
    db.session.execute(delete(Pin).where(Pin.email_key == key))


@atomic()
def record_pin_failure(purpose: str) -> None:
    """Record a wrong PIN or code as a security event."""
    record_security_event('pin', None, outcome=FAILURE, purpose=purpose.partition(':')[0])


@repeatable
@atomic()
def _consume_tries(purpose: str, emails: list[str]) -> dict[str, bytes]:
    """Count an attempt at each valid PIN; return their HMACs by email address."""
    counted = (
        update(Pin)
        .where(Pin.purpose == purpose, Pin.email.in_(emails))
        .where(Pin.attempts_left > 0, Pin.expires_at > now())
        .values(attempts_left=Pin.attempts_left - 1)
    )
    found = db.session.execute(counted.returning(Pin.email, Pin.code_hmac))
    return {row.email: row.code_hmac for row in found}


def _message(email: str, typed: str) -> str:
    return f'{email} {typed}'
