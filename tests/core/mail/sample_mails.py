"""Functions that render and send a sample mail."""

from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

from project.core.clock import now
from project.core.database.session import atomic
from project.core.mail import send_mail
from project.core.mail.rendering import MessageIdentity, new_message_identity, render_mail

HELLO = {'name': 'Ada', 'lifetime': 600}
TO = 'ada@example.com'


def hello(
    to: str = TO,
    identity: MessageIdentity | None = None,
    secret: Mapping[str, Any] | None = None,
    **context: Any,
) -> EmailMessage:
    """Return the sample mail `hello`, rendered."""
    identity = identity or new_message_identity(now())
    return render_mail('hello', to, {**HELLO, **context}, identity, secret)


@atomic()
def send(to: str = TO, template: str = 'hello', **options: Any) -> None:
    """Enqueue the sample mail in its own transaction."""
    send_mail(template, to=to, **{**HELLO, 'about': None, **options})
