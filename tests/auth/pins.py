"""Functions that read the text and the PIN of a mail."""

import re
from email.message import EmailMessage


def plain(mail: EmailMessage) -> str:
    """Return the plain text of a mail."""
    body = mail.get_body(('plain',))
    assert body is not None
    return str(body.get_content())


CODE_PATTERN = re.compile('(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}')


def pin_in(mail: EmailMessage) -> str:
    """Return the PIN or code in a mail; check that nothing else in it looks like a PIN."""
    text = plain(mail)
    [pin] = re.findall(r'\d{6,}', text) or CODE_PATTERN.findall(text)
    return str(pin)


def other_than(pin: str) -> str:
    """Return a wrong PIN or code in the same format."""
    if not pin.isdigit():
        return f'{"B" if pin[0] == "A" else "A"}{pin[1:]}'
    return f'{(int(pin) + 1) % 1_000_000:06}'
