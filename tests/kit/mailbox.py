"""The mails that the code under test sends."""

import re
from collections.abc import Iterable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask, template_rendered

from project.core.mail.transports import TRANSPORT

from .tasks import run_pending_tasks

SUBJECT = re.compile(r'mail/(\w+)/subject\.txt')
CODE_PATTERN = re.compile('(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}')


class Mail(EmailMessage):
    """A received mail. Its headers are its items: `mail['To']`, `mail['Subject']`."""

    #: The name of the mail, as in `send_mail(name)`; empty if another process has rendered it.
    name = ''

    @property
    def moment(self) -> str:
        """Return the time at which the mail was enqueued, as text that sorts by time."""
        return str(self['Message-ID']).partition('@')[0].rpartition('.')[0]

    @property
    def text(self) -> str:
        """Return the plain text."""
        return text_of(self)

    @property
    def html(self) -> str:
        """Return the HTML."""
        return text_of(self, 'html')

    @property
    def code(self) -> str:
        """Return the PIN or code in the text; check that nothing else in it looks like one."""
        return code_in(self)


def text_of(mail: EmailMessage, kind: str = 'plain') -> str:
    """Return the text of a mail.

    :param kind: `plain` or `html`.
    """
    body = mail.get_body((kind,))
    assert body is not None, f'the mail has no {kind} text'
    return str(body.get_content())


def code_in(mail: EmailMessage) -> str:
    """Return the PIN or code in a mail; check that nothing else in it looks like one."""
    text = text_of(mail)
    found = re.findall(r'\d{6,}', text) or CODE_PATTERN.findall(text)
    assert len(found) == 1, f'the mail contains {len(found)} codes instead of one:\n{text}'
    return str(found[0])


POLICY = policy.default.clone(message_factory=Mail)


def parse_mail(content: bytes) -> Mail:
    """Return the mail in these bytes."""
    return cast(Mail, message_from_bytes(content, policy=POLICY))


def mails_in(folder: Path) -> list[Mail]:
    """Return all mails that an application has written to a folder (`MAIL_URL`), oldest first."""
    return [parse_mail(path.read_bytes()) for path in sorted(folder.glob('*.eml'))]


class Mailbox:
    """All mails that an application sends while it is open.

    Each method first runs the due tasks, which send the mails.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._rendered = ''
        self._mails: dict[str, Mail] = {}

    def __call__(self) -> list[Mail]:
        """Return all mails, oldest first; those of the same moment in the order of their arrival.

        If the clock stands still (`travel`), move it between two mails whose order matters.
        """
        run_pending_tasks(self._app)
        return sorted(self._mails.values(), key=lambda mail: mail.moment)

    def latest(self, name: str | None = None, *, to: str | None = None) -> Mail:
        """Return the newest mail.

        :param name: only mails of this name, as in `send_mail(name)`.
        :param to: only mails to this email address.
        :raises ValueError: if no feature has a mail of this name.
        :raises AssertionError: if there is no such mail; the message lists all mails.
        """
        if name is not None and name not in (known := self._known_names()):
            raise ValueError(f'unknown mail {name!r}; a mail is one of {", ".join(sorted(known))}')
        mails = self()
        found = [m for m in mails if name in (None, m.name) and to in (None, m['To'])]
        wanted = f'mail{f" {name!r}" if name else ""}{f" to {to}" if to else ""}'
        assert found, f'no {wanted}; the mailbox contains: {_list(mails)}'
        return found[-1]

    def _known_names(self) -> set[str]:
        paths: Iterable[str] = self._app.jinja_env.list_templates()
        return {match[1] for path in paths if (match := SUBJECT.fullmatch(path))}

    def recognize(self, _app: Flask, *, template: Any, **_: Any) -> None:
        """Store the name of the mail that the application renders now."""
        if match := SUBJECT.fullmatch(template.name or ''):
            self._rendered = match[1]

    def receive(self, message: EmailMessage) -> None:
        """Receive a mail, as a transport. A mail that is sent again replaces the earlier one."""
        mail = parse_mail(bytes(message))
        mail.name = self._rendered
        self._mails[str(message['Message-ID'])] = mail


def _list(mails: list[Mail]) -> str:
    return ', '.join(f'{m.name!r} to {m["To"]} ({m["Subject"]})' for m in mails) or 'nothing'


@pytest.fixture
def mailbox(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """The mails: `mailbox()` runs the due tasks and returns all mails, oldest first.

    `mailbox.latest('verification', to='ada@example.com')` returns the newest mail of this name;
    both arguments are optional. A mail has headers (`mail['Subject']`), `text`, `html` and `code`,
    the PIN or code in its text. Raises ValueError for an unknown name.
    """
    mailbox = Mailbox(app)
    monkeypatch.setitem(app.extensions, TRANSPORT.name, mailbox.receive)
    with template_rendered.connected_to(mailbox.recognize, app):
        yield mailbox
