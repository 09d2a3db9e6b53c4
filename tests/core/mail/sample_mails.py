"""Helpers that create and read mails."""

from collections.abc import Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
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
    """Return the rendered sample mail."""
    identity = identity or new_message_identity(now())
    return render_mail('hello', to, {**HELLO, **context}, identity, secret)


@atomic()
def send(to: str = TO, template: str = 'hello', **options: Any) -> None:
    """Enqueue a mail in a separate transaction."""
    send_mail(template, to=to, **{**HELLO, **options})


def delivered(folder: Path) -> list[EmailMessage]:
    """Return the mails in a folder, in the order of their names."""
    paths = sorted(folder.glob('*.eml'))
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]


def text_of(message: EmailMessage, kind: str = 'plain') -> str:
    """Return the text or HTML of a mail."""
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())
