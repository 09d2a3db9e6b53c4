"""The attempt counters of auth.

Each names how the owner can log in while its limit is reached.
"""

from uuid import UUID

from project.core.database.session import AnyRow
from project.core.ip_addresses import network_of
from project.core.throttling import (
    ATTEMPT_PERIOD,
    DAY,
    MAX_ATTEMPTS,
    AttemptCounter,
    TooManyAttempts,
)
from project.users.models import email_key

MAX_MAILS_PER_DAY = 10
MAX_SECOND_FACTOR_MAILS_PER_DAY = 3
MAX_PIN_ATTEMPTS_PER_NETWORK = 25
UNLOCK = 'flask auth unlock USER'

# Counted by the name as typed and not by the account: with one counter for both names, the lock of
# one would show which email address belongs to a public username.
LOGIN_NAME = AttemptCounter(
    name='login-name',
    scope='account name as typed at the login: username or email address',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='A known device has its own counter, and a password reset makes a known device.',
    command=UNLOCK,
    targets_per_account=2,
)
LOGIN_DEVICE = AttemptCounter(
    name='login-device',
    scope='known device',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='A login without `device` has another counter; only the token of the device uses it.',
    command=UNLOCK,
)
SESSION_PASSWORD = AttemptCounter(
    name='session-password',
    scope='session that shows its password again or changes it',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='Log in again: every session has its own counter.',
    command=UNLOCK,
)
OTP_ACCOUNT = AttemptCounter(
    name='otp-account',
    scope='account, after its right password from an unknown device',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='A known device has another counter, and recovery codes are not counted.',
    command=UNLOCK,
    targets_per_account=1,
)
# A reset of the password makes a known device. With a counter for each of them, who reads the
# mailbox would have as many attempts as resets.
OTP_NEW_DEVICE = AttemptCounter(
    name='otp-new-device',
    scope='account, after its right password from known devices that passed no second factor',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='A device that passed a second factor has its own counter; recovery codes have none.',
    command=UNLOCK,
    targets_per_account=1,
)
OTP_DEVICE = AttemptCounter(
    name='otp-device',
    scope='known device that passed a second factor, after the right password',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='Recovery codes are not counted.',
    command=UNLOCK,
)
OTP_SESSION = AttemptCounter(
    name='otp-session',
    scope='session that shows its second factor again or confirms a new one',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='Log in again: every session has its own counter, and recovery codes are not counted.',
    command=UNLOCK,
)
PIN_NETWORK = AttemptCounter(
    name='pin-network',
    scope='network of the client that types PINs: /24, or /64 of IPv6',
    limit=MAX_PIN_ATTEMPTS_PER_NETWORK,
    period=ATTEMPT_PERIOD,
    recovery='The period ends within 15 minutes, and codes of 80 bits are not counted.',
    command='flask auth unlock --network ADDRESS',
)
PIN_MAIL = AttemptCounter(
    name='pin-mail',
    scope='mailbox and purpose of a mailed PIN',
    limit=MAX_MAILS_PER_DAY,
    period=DAY,
    recovery='An address without a valid code gets one more mail. A code is valid for 24 hours.',
    command=UNLOCK,
)
# Counted apart: strangers cause the first, and must not use up the mails of the second.
ALREADY_REGISTERED, EMAIL_CHANGED = NOTICE_SUBJECTS = 'already-registered', 'email-changed'
NOTICE_MAIL = AttemptCounter(
    name='notice-mail',
    scope='mailbox and subject of a notice: already registered, email address changed',
    limit=MAX_MAILS_PER_DAY,
    period=DAY,
    recovery='Only mails are limited; no login depends on it.',
    command=UNLOCK,
)
REGISTRATION = AttemptCounter(
    name='registration',
    scope='mailbox that accounts are registered for',
    limit=MAX_MAILS_PER_DAY,
    period=DAY,
    recovery='No account is affected; an operator can create one, which sends an invitation.',
    command=UNLOCK,
)
EMAIL_CHANGE = AttemptCounter(
    name='email-change',
    scope='account that asks for another email address',
    limit=MAX_MAILS_PER_DAY,
    period=DAY,
    recovery='The present email address stays valid, and only a session can ask.',
    command=UNLOCK,
)
INVITATION = AttemptCounter(
    name='invitation',
    scope='mailbox that an invitation is mailed to',
    limit=MAX_MAILS_PER_DAY,
    period=DAY,
    recovery='The newest code stays valid for seven days; a reset sets a first password, too.',
    command=UNLOCK,
)
SECOND_FACTOR_MAIL = AttemptCounter(
    name='second-factor-mail',
    scope='account whose owner is told of wrong second factors',
    limit=MAX_SECOND_FACTOR_MAILS_PER_DAY,
    period=DAY,
    recovery='Only mails are limited; no login depends on it.',
    command=UNLOCK,
)


def login_target(login: str, user: AnyRow | None) -> str:
    """Return the target of a login: the account name as typed, in its normal form.

    The user's own spelling if there is a user, so that no variant has a counter of its own.
    """
    if user is not None:
        login = user.email if '@' in login else user.username
    return email_key(login)


def account_target(user_id: int) -> str:
    """Return the target of the counters of an account."""
    return f'user:{user_id}'


def session_target(session_id: UUID | None) -> str:
    """Return the target of the counters of a session."""
    return f'session:{session_id}'


def network_target(ip_address: str) -> str:
    """Return the network of an IP address: usually one household or company (/24, /64)."""
    return network_of(ip_address, v4_prefix=24)


def otp_counter(
    user_id: int, device: AnyRow | None, session_id: UUID | None
) -> tuple[AttemptCounter, str]:
    """Return the counter of OTPs that applies, and its target."""
    if session_id:
        return OTP_SESSION, session_target(session_id)
    if device is None:
        return OTP_ACCOUNT, account_target(user_id)
    if device.has_passed_second_factor:
        return OTP_DEVICE, str(device.id)
    return OTP_NEW_DEVICE, account_target(user_id)


def mail_target(purpose: str, key: str) -> str:
    """Return the target of mails: their purpose without its user, and the mailbox."""
    return f'{purpose.partition(":")[0]} {key}'


def is_within_limit(counter: AttemptCounter, target: str) -> bool:
    """Count an attempt and return whether it is within the limit."""
    try:
        counter.consume(target)
    except TooManyAttempts:
        return False
    return True
