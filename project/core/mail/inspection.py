"""The check of mail: a short one for `/readyz`, and a login for `flask doctor`."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from project.core.checks import Finding, HealthCheck, State, reason_of, register_check
from project.core.tasks.inspection import oldest_waiting_by_queue

from .health import LATE_AFTER_SECONDS, check_mail, connect
from .transports import try_smtp

# For each step of a session. The whole check has 5 s.
STEP_TIMEOUT_SECONDS = 4.0


def inspect_mail() -> Iterator[Finding]:
    """Log in to the mail server without sending a mail, and check the age of undelivered mails."""
    url, is_strict = current_app.config['MAIL_URL'], current_app.config['STRICT']
    try:
        if urlsplit(url).scheme == 'smtp':
            yield Finding(State.OK, try_smtp(url, timeout=STEP_TIMEOUT_SECONDS))
        else:
            connect(url)
            seen = 'mails are not sent, but written to a folder or to the log'
            state = State.WARNING if is_strict else State.OK
            yield Finding(state, seen, 'Set MAIL_URL to smtp://…', fails_deploy=True)
    except OSError as error:
        yield Finding(State.FAILED, reason_of(error))
    try:
        oldest = oldest_waiting_by_queue()['mail']
    except SQLAlchemyError:
        return  # The check of the database reports it.
    if oldest > LATE_AFTER_SECONDS:
        remedy = '`flask jobs list` prints the error of the last attempt.'
        yield Finding(State.WARNING, f'a mail has waited for {oldest} s', remedy)


# The interval is 6 s, because a mail server logs each connection.
register_check(
    'mail',
    HealthCheck(
        function=check_mail,
        interval=6,
        inspect=inspect_mail,
        remedy='Correct MAIL_URL, or repair the mail server.',
    ),
    owner=__name__,
)
