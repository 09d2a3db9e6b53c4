"""Another address: a PIN proves that it is the user's, and both addresses are told."""

from datetime import timedelta

from sqlalchemy import delete

from project.auth.errors import WrongPin
from project.auth.models import EmailChange
from project.core.clock import now
from project.core.database.session import AnyRow, atomic, db, stepwise
from project.core.database.upsert import insert_or
from project.core.errors import Unauthorized
from project.core.mail import send_mail
from project.core.security.principal import Principal
from project.core.tasks import enqueue, once, task
from project.core.throttling import spend_guess
from project.users import service as users
from project.users.models import email_key
from project.users.signals import user_email_changed

from .accounts import forget_registrations, tell_registered
from .pins import DAY, LIFETIME, consume_pin, forget_pins, issue_pin, try_pin
from .security_events import record

CHANGES = 10  # a day and user
# The PIN of it lasts ten minutes from the moment it is mailed.
WAITING = timedelta(hours=1)


@atomic()
def request_email_change(asker: Principal, new_email: str) -> None:
    """Mail a PIN to an address that the asker wants to have; whoever has it already gets a notice.

    The last wish counts. Refuses with GuessesSpent more than ten a day.
    """
    if not users.hold_user(asker.user_id):
        raise Unauthorized
    spend_guess('email-change', f'user:{asker.user_id}', limit=CHANGES, period=DAY)
    wish = {
        'email': new_email,
        'email_key': email_key(new_email),
        'expires_at': now() + WAITING,
    }
    wished = insert_or(
        EmailChange, {'user_id': asker.user_id, **wish}, conflict=['user_id'], change=wish
    )
    db.session.execute(wished)
    record('email_change_requested', asker.user_id)
    enqueue(send_email_change, asker.user_id)


@task(subject='user_id')
def send_email_change(user_id: int) -> None:
    """Mail the PIN to the address that a user wishes to have. Run twice, it mails once."""
    with atomic():
        once()
        wish = EmailChange.find_waiting(user_id)
        if wish is None:
            return
        known = users.find_user_by_login(wish.email)
        if known and known.id != user_id:
            tell_registered(known)
            return
        user = users.get_user(user_id)
        send_mail(
            'email_change',
            to=wish.email,
            about=user_id,
            username=user.username,
            name=user.name,
            secret={'pin': issue_pin(change_of(user_id), wish.email_key)},
            lifetime=LIFETIME.total_seconds(),
        )


@stepwise
def confirm_email_change(asker: Principal, pin: str) -> AnyRow:
    """Give the asker the address whose PIN they have; return the user.

    Refuses with WrongPin whatever does not fit, and with EmailTaken if another has it by now.
    """
    wish = EmailChange.find_waiting(asker.user_id)
    key = wish.email_key if wish else f'user:{asker.user_id}'
    mark = try_pin(change_of(asker.user_id), key, pin)
    if wish is None:
        raise WrongPin
    return _change(asker.user_id, wish, mark)


@atomic()
def _change(user_id: int, wish: AnyRow, mark: bytes) -> AnyRow:
    consume_pin(change_of(user_id), wish.email_key, mark)
    db.session.execute(delete(EmailChange).where(EmailChange.user_id == user_id))
    before = users.get_user(user_id)
    user = users.change_email(user_id, wish.email)
    _let_go(before.email, user)
    _tell(user, was=before.email, to=user.email)
    return user


@user_email_changed.connect
def hear_of_change(_sender: object, *, user_id: int, was: str, by: int | None) -> None:
    """Tell the old address of a change that somebody with the right to has made (ASVS 6.3.7)."""
    user = users.get_user(user_id)
    _let_go(was, user, actor='operator' if by is None else f'user:{by}')


def _let_go(was: str, user: AnyRow, actor: str | None = None) -> None:
    """Make void what waits at the old address, and tell it. Inside `atomic`."""
    forget_pins(email_key(was))
    forget_registrations(email_key(user.email))
    record('email_changed', user.id, actor=actor)
    _tell(user, was=was, to=was)


def _tell(user: AnyRow, *, was: str, to: str) -> None:
    send_mail(
        'email_changed',
        to=to,
        about=user.id,
        username=user.username,
        name=user.name,
        was=was,
        email=user.email,
    )


def change_of(user_id: int) -> str:
    """Return the purpose of the PINs that change a user's address."""
    return f'email-change:{user_id}'
