"""Plain text and PINs of mails."""

import re
from email.message import EmailMessage


def plain(mail: EmailMessage) -> str:
    """Return the text of a mail."""
    body = mail.get_body(('plain',))
    assert body is not None
    return str(body.get_content())


def pin_in(mail: EmailMessage) -> str:
    """Return the PIN in a mail, having checked that nothing else in it could be taken for one."""
    [pin] = re.findall('[0-9]{6}', plain(mail))
    return pin


def other_than(pin: str) -> str:
    """Return a PIN that is wrong."""
    return f'{(int(pin) + 1) % 1_000_000:06}'
