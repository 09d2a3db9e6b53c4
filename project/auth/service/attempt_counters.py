"""Attempt counters of the feature `auth`.

Each counter states how the owner of an account can log in after the limit is reached.
"""

from uuid import UUID

from project.auth.rows import DeviceRow
from project.core.ip_addresses import network_of
from project.core.throttling import (
    ATTEMPT_PERIOD,
    DAY,
    MAX_ATTEMPTS,
    AttemptCounter,
    TooManyAttempts,
)
from project.users.models import email_key
from project.users.rows import UserRow

MAX_MAILS_PER_DAY = 10
MAX_SECOND_FACTOR_MAILS_PER_DAY = 3
MAX_PIN_ATTEMPTS_PER_NETWORK = 25
UNLOCK = 'flask auth unlock USER'

# Username and email address have separate counters. With a common counter, an attacker who blocks a
# username would also block its email address, and so learn which one it is.
LOGIN_NAME = AttemptCounter(
    name='login-name',
    owner=__name__,
    scope='account name as typed at the login: username or email address',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='A known device has its own counter, and a password reset makes a known device.',
    command=UNLOCK,
    targets_per_account=2,
)
LOGIN_DEVICE = AttemptCounter(
    name='login-device',
    owner=__name__,
    scope='known device',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='Log in without `device`: only logins with that token use this counter.',
    command=UNLOCK,
)
SESSION_PASSWORD = AttemptCounter(
    name='session-password',
    owner=__name__,
    scope='session that confirms or changes the password',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='Log in again: every session has its own counter.',
    command=UNLOCK,
)
OTP_ACCOUNT = AttemptCounter(
    name='otp-account',
    owner=__name__,
    scope='account, after its right password from an unknown device',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='A known device has another counter, and recovery codes are not counted.',
    command=UNLOCK,
    targets_per_account=1,
)
# All known devices that password resets create share this counter. Otherwise, each reset would give
# further attempts to an attacker who reads the mailbox.
OTP_NEW_DEVICE = AttemptCounter(
    name='otp-new-device',
    owner=__name__,
    scope='account, after its right password from known devices without a passed second factor',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='A device that passed a second factor has its own counter; recovery codes have none.',
    command=UNLOCK,
    targets_per_account=1,
)
OTP_DEVICE = AttemptCounter(
    name='otp-device',
    owner=__name__,
    scope='known device that passed a second factor, after the right password',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='Recovery codes are not counted.',
    command=UNLOCK,
)
OTP_SESSION = AttemptCounter(
    name='otp-session',
    owner=__name__,
    scope='session that confirms its second factor again, or a new one',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='Log in again: every session has its own counter, and recovery codes are not counted.',
    command=UNLOCK,
)
PIN_NETWORK = AttemptCounter(
    name='pin-network',
    owner=__name__,
    scope='network of the client that sends PINs: /24, or /64 for IPv6',
    limit=MAX_PIN_ATTEMPTS_PER_NETWORK,
    period=ATTEMPT_PERIOD,
    recovery='The period ends within 15 minutes, and codes of 80 bits are not counted.',
    command='flask auth unlock --network ADDRESS',
)
PIN_MAIL = AttemptCounter(
    name='pin-mail',
    owner=__name__,
    scope='mailbox and purpose of a mailed PIN',
    limit=MAX_MAILS_PER_DAY,
    period=DAY,
    recovery='If no code is valid, one more mail is sent. A code is valid for 24 hours.',
    command=UNLOCK,
)
# Each subject has its own limit. Strangers can cause mails of the first subject only.
ALREADY_REGISTERED, EMAIL_CHANGED = NOTICE_SUBJECTS = 'already-registered', 'email-changed'
NOTICE_MAIL = AttemptCounter(
    name='notice-mail',
    owner=__name__,
    scope='mailbox and subject of a notice: already registered, email address changed',
    limit=MAX_MAILS_PER_DAY,
    period=DAY,
    recovery='Only mails are limited; no login depends on them.',
    command=UNLOCK,
)
REGISTRATION = AttemptCounter(
    name='registration',
    owner=__name__,
    scope='mailbox that accounts are registered for',
    limit=MAX_MAILS_PER_DAY,
    period=DAY,
    recovery='No existing account is affected, and `flask users create` sends an invitation.',
    command=UNLOCK,
)
EMAIL_CHANGE = AttemptCounter(
    name='email-change',
    owner=__name__,
    scope='account that requests another email address',
    limit=MAX_MAILS_PER_DAY,
    period=DAY,
    recovery='The current email address stays valid, and a request needs a session.',
    command=UNLOCK,
)
INVITATION = AttemptCounter(
    name='invitation',
    owner=__name__,
    scope='mailbox that an invitation is mailed to',
    limit=MAX_MAILS_PER_DAY,
    period=DAY,
    recovery='The newest code is valid for seven days; a reset can set a first password, too.',
    command=UNLOCK,
)
SECOND_FACTOR_MAIL = AttemptCounter(
    name='second-factor-mail',
    owner=__name__,
    scope='account whose owner is notified of wrong second factors',
    limit=MAX_SECOND_FACTOR_MAILS_PER_DAY,
    period=DAY,
    recovery='Only mails are limited; no login depends on them.',
    command=UNLOCK,
)


def login_target(login: str, user: UserRow | None) -> str:
    """Return the target of the login counter: the normalized username or email address.

    If the user exists, it is the stored spelling, so that all spellings share a counter.
    """
    if user is not None:
        login = user.email if '@' in login else user.username
    return email_key(login)


def account_target(user_id: int) -> str:
    """Return the target, a text, for counters that count per account."""
    return f'user:{user_id}'


def session_target(session_id: UUID | None) -> str:
    """Return the target, a text, for counters that count per session."""
    return f'session:{session_id}'


def network_target(ip_address: str) -> str:
    """Return the target for counters per network: /24 of an IPv4 address, /64 of an IPv6 address.

    Such a network is usually one household or company.
    """
    return network_of(ip_address, v4_prefix=24)


def otp_counter(
    user_id: int, device: DeviceRow | None, session_id: UUID | None
) -> tuple[AttemptCounter, str]:
    """Return the counter for the OTPs of this user, device or session, and its target."""
    if session_id:
        return OTP_SESSION, session_target(session_id)
    if device is None:
        return OTP_ACCOUNT, account_target(user_id)
    if device.has_passed_second_factor:
        return OTP_DEVICE, str(device.id)
    return OTP_NEW_DEVICE, account_target(user_id)


def mail_target(purpose: str, key: str) -> str:
    """Return the target of a mail counter: the purpose without its user id, and the mailbox."""
    return f'{purpose.partition(":")[0]} {key}'


def is_within_limit(counter: AttemptCounter, target: str) -> bool:
    """Count an attempt and return whether it is within the limit."""
    try:
        counter.consume(target)
    except TooManyAttempts:
        return False
    return True
