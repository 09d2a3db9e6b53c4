"""Change of a user's email address: a PIN confirms it, and mails notify both email addresses."""

from datetime import timedelta

from sqlalchemy import delete

from project.auth.errors import WrongPin
from project.auth.models import EmailChange
from project.auth.rows import EmailChangeRow
from project.core.clock import now
from project.core.database.retries import repeatable
from project.core.database.session import atomic, db, locks_user, non_atomic
from project.core.database.upsert import upsert
from project.core.mail import send_mail
from project.core.security.principal import Principal
from project.core.tasks import complete_with_transaction, enqueue, task
from project.users import service as users
from project.users.models import email_key
from project.users.rows import UserRow

from .accounts import delete_registrations, send_already_registered_notice
from .attempt_counters import (
    EMAIL_CHANGE,
    EMAIL_CHANGED,
    NOTICE_MAIL,
    account_target,
    is_within_limit,
    mail_target,
)
from .credentials.pins import (
    EMAIL_CHANGE_PURPOSE,
    VerifiedPin,
    consume_pin,
    delete_pins,
    mail_pin,
    verify_pin,
)
from .security_events import actor_of, record_security_event

# As long as the lifetime of a code, which the third and later mails of a day contain.
CHANGE_LIFETIME = timedelta(hours=24)


@repeatable
@locks_user('asker')
def request_email_change(asker: Principal, new_email: str) -> None:
    """Mail a PIN to a new email address, or a notice if another user has it.

    A newer request replaces an older one.

    :raises TooManyAttempts: after ten requests a day of one account. Requests of other accounts
        for the same email address do not count.
    """
    EMAIL_CHANGE.consume(account_target(asker.user_id))
    fresh = {
        'email': new_email,
        'email_key': email_key(new_email),
        'expires_at': now() + CHANGE_LIFETIME,
    }
    values = {'user_id': asker.user_id, **fresh}
    db.session.execute(upsert(EmailChange, values, conflict=['user_id'], change=fresh))
    record_security_event('email_change_requested', asker.user_id)
    enqueue(send_email_change, asker.user_id)


@task(idempotent='a second run sends no mail', queue='mail', subject_argument='user_id')
def send_email_change(user_id: int) -> None:
    """Mail the PIN to the email address that a user requested."""
    # The user is locked, so that no other transaction disables the user between the check and the
    # creation of the PIN.
    with atomic(locking=[user_id]):
        complete_with_transaction()
        pending = EmailChange.find_pending(user_id)
        if pending is None or not users.is_active(user_id):
            return
        known = users.find_user_by_login(pending.email)
        if known and known.id != user_id:
            send_already_registered_notice(known)
            return
        # The mail contains neither username nor name: the mailbox may be another person's.
        mail_pin('email_change', email_change_purpose(user_id), to=pending.email, about=user_id)


@non_atomic
def confirm_email_change(asker: Principal, pin: str) -> UserRow:
    """Change the email address of a user after a check of the PIN; return the user.

    :raises WrongPin: if the PIN is wrong, used, expired or replaced, or no change is pending.
    :raises EmailTaken: if another user has the email address.
    :raises TooManyAttempts: if the network sent too many wrong PINs.
    """
    pending = EmailChange.find_pending(asker.user_id)
    emails = [pending.email if pending else '']
    verified = verify_pin(email_change_purpose(asker.user_id), pin, emails=emails)
    if pending is None:
        raise WrongPin
    return _change(asker.user_id, pending, verified)


@repeatable
@atomic()
def _change(user_id: int, pending: EmailChangeRow, verified: VerifiedPin) -> UserRow:
    consume_pin(email_change_purpose(user_id), verified)
    db.session.execute(delete(EmailChange).where(EmailChange.user_id == user_id))
    was = users.get_user(user_id).email
    user = users.change_email(user_id, pending.email)
    _send_notice(user, was=was, to=user.email)
    return user


def on_user_email_changed(_sender: object, *, user_id: int, was: str, by: int | None) -> None:
    """Notify the old email address of a change (ASVS 6.3.7), and delete obsolete rows.

    These rows are the PINs of the old email address and the registrations of the new one.
    """
    user = users.get_user(user_id)
    delete_pins(email_key(was))
    delete_registrations(email_key(user.email))
    record_security_event('email_changed', user.id, actor=actor_of(by, user.id))
    _send_notice(user, was=was, to=was)


def _send_notice(user: UserRow, *, was: str, to: str) -> None:
    """Mail a notice of a changed email address, at most ten a day to one mailbox."""
    if not is_within_limit(NOTICE_MAIL, mail_target(EMAIL_CHANGED, email_key(to))):
        return
    send_mail(
        'email_changed',
        to=to,
        about=user.id,
        username=user.username,
        name=user.name,
        was=was,
        email=user.email,
    )


def email_change_purpose(user_id: int) -> str:
    """Return the purpose of the PINs that change a user's email address."""
    return f'{EMAIL_CHANGE_PURPOSE}:{user_id}'
