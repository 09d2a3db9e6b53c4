"""Sending: a row in the outbox, in the transaction that has something to say."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import current_app

from project.core.clock import now
from project.core.tasks import PermanentFailure, current_attempt, enqueue, task

from .rendering import MessageIdentity, new_message_identity, render_mail
from .transports import Transport


def send_mail(
    template: str,
    *,
    to: str,
    about: int | None = None,
    secret: Mapping[str, Any] | None = None,
    **context: Any,
) -> None:
    """Have the mail called `template` sent to one address once this transaction is committed.

    :param about: the id of the user whom it is about: if they are deleted before, it is not sent.
    :param secret: what else the templates get and nobody may read in the outbox, such as a PIN.

    The context must be JSON, no rows. Refuses to be called outside `atomic`.
    """
    enqueue(deliver_mail, template, to, context, dict(secret or {}), about)


@task(
    queue='mail',
    attempts=140,  # With a wait of 15 minutes at most: for about a day.
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
    """Write a mail and hand it over. Run twice, it is handed over twice under one `Message-ID`,
    by which servers and readers know it again.

    Gives up where no mail can go to this address, or the server says for good that none may.
    """
    attempt = current_attempt()
    stamp = (
        MessageIdentity(attempt.created_at, attempt.task_id)
        if attempt
        else new_message_identity(now())
    )
    try:
        message = render_mail(template, to, context, stamp, secret)
    except ValueError as error:
        raise PermanentFailure(f'no such mail can be written: {error}') from error
    transport: Transport = current_app.extensions['mail']
    transport(message)
