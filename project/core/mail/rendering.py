"""Rendering: from a folder of templates to a message, safe from whatever its values say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from flask import current_app, render_template

from project.core.email_addresses import ascii_domain, email_on_the_wire

# Digits of any script that a reader could take for a PIN.
PIN_LIKE_PATTERN = re.compile(r'\d{6,}')
# A product and its version in a `User-Agent`: nothing that a mail program turns into a link.
PRODUCT_PATTERN = re.compile(r'(?<!\S)[A-Za-z]{2,20}/\d+(?:\.\d+)*(?!\S)')
MAX_PRODUCTS = 4
LINE_BREAK_PATTERN = re.compile('[\r\n\x00]')
HOST_PATTERN = re.compile(r'[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\Z')


@dataclass(frozen=True, slots=True)
class MessageIdentity:
    """When a mail was written, and which one it is: the same whenever it is sent again."""

    moment: datetime
    id: UUID

    def __str__(self) -> str:
        """Return what no other mail is called; in the order in which they were written."""
        return f'{self.moment:%Y%m%dT%H%M%S.%f}.{self.id.hex}'


def new_message_identity(moment: datetime) -> MessageIdentity:
    """Return the stamp of a mail that no task sends."""
    return MessageIdentity(moment, uuid4())


def render_mail(
    template: str,
    to: str,
    context: dict[str, Any],
    stamp: MessageIdentity,
    secret: Mapping[str, Any] | None = None,
) -> EmailMessage:
    """Return the mail as it is sent.

    With a secret, such as a PIN, runs of six digits in the values of the context are masked, so
    that none of them passes for the PIN. `PUBLIC_URL` is not: no user chose it.

    Refuses (ValueError) what is not exactly one address, and an address that would add a header; a
    subject is one line, whatever its values are.
    """
    sender = sender_address(current_app.config['MAIL_FROM'])
    to = email_on_the_wire(to)
    values = _without_pins(context) | dict(secret) if secret else context
    values = {'public_url': current_app.config['PUBLIC_URL'], **values}
    render = partial(_render, f'mail/{template}', values)
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    message['From'] = sender
    message['To'] = to
    if len(message['To'].addresses) != 1:
        raise ValueError('a mail goes to one address')
    message['Subject'] = ' '.join(render('subject.txt').split())
    message['Date'] = format_datetime(stamp.moment)
    message['Message-ID'] = f'<{stamp}@{sender.domain}>'
    message['Auto-Submitted'] = 'auto-generated'
    message.set_content(render('body.txt'))
    message.add_alternative(render('body.html'), subtype='html')
    return message


def duration(seconds: float) -> str:
    """Filter: say `10 minutes`, `24 hours` or `7 days` for a length of time in seconds."""
    minutes = round(seconds / 60)
    for size, unit in ((60 * 48, 'day'), (60, 'hour'), (1, 'minute')):
        if minutes >= size:
            count = minutes // (24 * 60 if unit == 'day' else size)
            break
    else:
        count, unit = minutes, 'minute'
    return f'{count} {unit}' if count == 1 else f'{count} {unit}s'


def sender_address(text: str) -> Address:
    """Return the sender of mails, with its domain as A-labels.

    :param text: `Name <address>` or an address; a name with a comma is in double quotes.
    :raises ValueError: if the text is not exactly one address with a domain.
    """
    try:
        header: Any = SMTP.header_factory('From', '' if LINE_BREAK_PATTERN.search(text) else text)
        found, is_wrong = header.addresses, bool(header.defects)
    except (LookupError, HeaderParseError):  # The parser fails on some incomplete texts: `"`.
        found, is_wrong = (), True
    domain = ascii_domain(found[0].domain) if len(found) == 1 else None
    if is_wrong or not (domain and found[0].username.isascii() and HOST_PATTERN.match(domain)):
        raise ValueError(
            'must be one address such as no-reply@example.com or API <no-reply@example.com>; '
            'a name with a comma is in double quotes'
        )
    return Address(found[0].display_name, found[0].username, domain)


def program(user_agent: str) -> str:
    """Filter: return the products of a `User-Agent`, without any other text of its sender."""
    products = PRODUCT_PATTERN.findall(user_agent)
    return ' '.join(products[:MAX_PRODUCTS]) or 'unknown program'


def _without_pins(value: Any) -> Any:
    """Return a value of a mail with every run of six or more digits in its texts masked."""
    if isinstance(value, str):
        return PIN_LIKE_PATTERN.sub('\N{HORIZONTAL ELLIPSIS}', value)
    if isinstance(value, dict):
        return {key: _without_pins(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_pins(inner) for inner in value]
    return value


def _render(folder: str, context: dict[str, Any], part: str) -> str:
    return render_template(f'{folder}/{part}', **context)
