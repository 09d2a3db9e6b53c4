"""Sending of mails: a task in the outbox, enqueued in the caller's transaction."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from project.core.clock import now
from project.core.metrics import Counter, Histogram
from project.core.tasks import PermanentFailure, current_attempt, enqueue, task

from .rendering import MessageIdentity, new_message_identity, render_mail
from .transports import TRANSPORT

SENT = Counter(
    'mail_sent_total', 'Mails that the mail server accepted.', ('template',), owner=__name__
)
WAITED = Histogram(
    'mail_age_seconds',
    'Time from the request for a mail until the mail server accepted it.',
    ('template',),
    owner=__name__,
)


def send_mail(
    template: str,
    *,
    to: str,
    about: int | None,
    secret: Mapping[str, Any] | None = None,
    **context: Any,
) -> None:
    """Send a mail to one email address after this transaction has committed.

    :param template: the name of the mail.
    :param about: the id of the user whom the mail is about. If this user is deleted before the mail
        is sent, it is not sent. None only if no user exists yet.
    :param secret: further values for the templates, such as a PIN. The outbox encrypts them.
    :param context: values for the templates: JSON, not rows.
    :raises RuntimeError: outside `atomic`.
    """
    enqueue(deliver_mail, template, to, context, dict(secret or {}), about)


@task(
    idempotent='a second mail has the same `Message-ID`, by which receivers detect it',
    queue='mail',
    attempts=140,  # With delays of at most 15 minutes, for about a day.
    time_limit=timedelta(minutes=1),
    encrypted=['secret'],
    subject_argument='about',
)
def deliver_mail(
    template: str,
    to: str,
    context: dict[str, Any],
    secret: dict[str, Any],
    about: int | None = None,
) -> None:
    """Render a mail and send it.

    :raises PermanentFailure: if the mail cannot be rendered for this email address, or the server
        rejects it permanently.
    """
    attempt = current_attempt()
    identity = (
        MessageIdentity(attempt.created_at, attempt.task_id)
        if attempt
        else new_message_identity(now())
    )
    try:
        message = render_mail(template, to, context, identity, secret)
    except ValueError as error:
        raise PermanentFailure(f'the mail cannot be rendered: {error}') from error
    TRANSPORT.get()(message)
    SENT.increment(template)
    if attempt:
        WAITED.observe((now() - attempt.created_at).total_seconds(), template)
