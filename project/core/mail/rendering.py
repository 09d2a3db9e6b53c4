"""Rendering of mails from templates.

Values in a mail can neither add a header nor look like a PIN.
"""

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

# Digits of any script that a reader could mistake for a PIN.
PIN_LIKE_PATTERN = re.compile(r'\d{6,}')
# A product and its version in a `User-Agent`, such as `Firefox/128.0`. No mail program converts a
# text of this form to a link.
PRODUCT_PATTERN = re.compile(r'(?<!\S)[A-Za-z]{2,20}/\d+(?:\.\d+)*(?!\S)')
MAX_PRODUCTS = 4
LINE_BREAK_PATTERN = re.compile('[\r\n\x00]')
HOST_PATTERN = re.compile(r'[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\Z')


@dataclass(frozen=True, slots=True)
class MessageIdentity:
    """The creation time and the id of a mail.

    Repeated attempts to send the mail have the same ones.
    """

    moment: datetime
    id: UUID

    def __str__(self) -> str:
        """Return a unique text that sorts by creation time."""
        return f'{self.moment:%Y%m%dT%H%M%S.%f}.{self.id.hex}'


def new_message_identity(moment: datetime) -> MessageIdentity:
    """Return a new identity for a mail that no task sends, such as a preview."""
    return MessageIdentity(moment, uuid4())


def render_mail(
    template: str,
    to: str,
    context: dict[str, Any],
    identity: MessageIdentity,
    secret: Mapping[str, Any] | None = None,
) -> EmailMessage:
    """Return the message of a mail. Its subject is always one line.

    If `secret` contains values, such as a PIN, runs of at least six digits in `context` are masked,
    so that no other value can look like the PIN. `PUBLIC_URL` is not masked, because no user sets
    it.

    :param template: the name of the mail.
    :param context: values for the templates.
    :param secret: further values for the templates, which are not masked.
    :raises ValueError: if `to` is not exactly one email address, or would add a header.
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
        raise ValueError('the recipient must be exactly one address')
    message['Subject'] = ' '.join(render('subject.txt').split())
    message['Date'] = format_datetime(identity.moment)
    message['Message-ID'] = f'<{identity}@{sender.domain}>'
    message['Auto-Submitted'] = 'auto-generated'
    message.set_content(render('body.txt'))
    message.add_alternative(render('body.html'), subtype='html')
    return message


def duration(seconds: float) -> str:
    """Template filter: return a number of seconds as `10 minutes`, `24 hours` or `7 days`."""
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

    :param text: `Name <address>` or an email address; a name with a comma is in double quotes.
    :raises ValueError: if the text is not exactly one email address with a domain.
    """
    try:
        header: Any = SMTP.header_factory('From', '' if LINE_BREAK_PATTERN.search(text) else text)
        is_valid = len(header.addresses) == 1 and not header.defects
        sender: Address | None = header.addresses[0] if is_valid else None
    except (LookupError, HeaderParseError):  # The parser fails on some incomplete texts: `"`.
        sender = None
    domain = ascii_domain(sender.domain) if sender else None
    if not (sender and domain and sender.username.isascii() and HOST_PATTERN.match(domain)):
        raise ValueError(
            'must be one address such as no-reply@example.com or API <no-reply@example.com>; '
            'put a name with a comma in double quotes'
        )
    return Address(sender.display_name, sender.username, domain)


def program(user_agent: str) -> str:
    """Template filter: return the products and versions in a `User-Agent`, without other text."""
    products = PRODUCT_PATTERN.findall(user_agent)
    return ' '.join(products[:MAX_PRODUCTS]) or 'unknown program'


def _without_pins(value: Any) -> Any:
    """Return a value in whose texts each run of six or more digits is masked."""
    if isinstance(value, str):
        return PIN_LIKE_PATTERN.sub('\N{HORIZONTAL ELLIPSIS}', value)
    if isinstance(value, dict):
        return {key: _without_pins(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_pins(inner) for inner in value]
    return value


def _render(folder: str, context: dict[str, Any], part: str) -> str:
    return render_template(f'{folder}/{part}', **context)
