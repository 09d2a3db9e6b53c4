"""The health check of mail: can the transport take one, and does one wait for too long?"""

import os
import smtplib
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from project.core.health_checks import CheckResult, HealthCheck, register_health_check
from project.core.tasks.inspection import oldest_waiting_by_queue

# The age of an undelivered mail from which it is late: half of the time for which a PIN is valid.
LATE_AFTER_SECONDS = 300
# For connecting, and for the greeting.
SMTP_TIMEOUT_SECONDS = 0.9


def check_mail() -> CheckResult:
    """Return `down` if the mail server does not greet, `late` if a mail waits for 5 minutes."""
    try:
        oldest: int | None = oldest_waiting_by_queue()['mail']
    except SQLAlchemyError:
        oldest = None
    details = {'oldest': oldest}
    try:
        _connect(current_app.config['MAIL_URL'])
    except (OSError, smtplib.SMTPException) as error:
        return CheckResult('down', details, f'{type(error).__name__}: {error}')
    if oldest is not None and oldest > LATE_AFTER_SECONDS:
        return CheckResult('late', details, f'a mail waits since {oldest} s')
    return CheckResult('ok', details)


def _connect(url: str) -> None:
    """Connect to the server of a URL, or look at its folder.

    :raises OSError, SMTPException: if it takes no mail.
    """
    parts = urlsplit(url)
    if parts.scheme == 'smtp':
        is_tls = parse_qs(parts.query).get('tls') == ['on']
        _wait_for_greeting(parts.hostname or '', parts.port or (465 if is_tls else 587), is_tls)
    elif parts.scheme == 'file':
        folder = Path(unquote(parts.path))
        place = next(path for path in (folder, *folder.parents) if path.exists())
        if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
            raise PermissionError(f'{folder} cannot be written')


def _wait_for_greeting(host: str, port: int, is_tls: bool) -> None:
    if is_tls:
        # A handshake would cost both sides more than the answer is worth.
        socket.create_connection((host, port), SMTP_TIMEOUT_SECONDS).close()
        return
    # Named, so that no time goes into looking up the name of this machine.
    server = smtplib.SMTP(host, port, local_hostname='localhost', timeout=SMTP_TIMEOUT_SECONDS)
    with suppress(OSError, smtplib.SMTPException):
        server.quit()
    server.close()


# A mail server logs each connection: not more of them than needed.
register_health_check('mail', HealthCheck(function=check_mail, interval=6), owner=__name__)
