"""The health check of mail: the mail server must respond, and no mail may wait too long."""

import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from select import select
from urllib.parse import parse_qs, unquote, urlsplit

from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from project.core.app_values import AppValue
from project.core.checks import CheckResult
from project.core.tasks.inspection import oldest_waiting_by_queue

# An undelivered mail is late after half of the lifetime of a PIN.
LATE_AFTER_SECONDS = 300
CONNECT_TIMEOUT_SECONDS = 0.9
# The time that one check waits for the greeting of the mail server. A server may delay the greeting
# (`greet_pause` of Sendmail, `postscreen_greet_wait` of Postfix: up to 6 s). So the following
# checks continue to wait on the same connection.
GREETING_WAIT_SECONDS = 0.9
GREETING_TIMEOUT_SECONDS = 6.5


def init_app(app: Flask) -> None:
    """Create the object that keeps the connection to the mail server between checks."""
    GREETING.set(app, Greeting())


def check_mail() -> CheckResult:
    """Check the mail server (or the mail folder), and the age of the oldest undelivered mail.

    :returns: `down` if the server or the folder accepts no mail, `silent` if the server does not
        greet, `late` if a mail has waited for more than 5 minutes, else `ok`.
    """
    try:
        oldest: int | None = oldest_waiting_by_queue()['mail']
    except SQLAlchemyError:
        oldest = None
    details = {'oldest': oldest}
    try:
        connect(current_app.config['MAIL_URL'])
    except GreetingLate as error:
        return CheckResult('silent', details, str(error))
    except OSError as error:
        return CheckResult('down', details, f'{type(error).__name__}: {error}')
    if oldest is not None and oldest > LATE_AFTER_SECONDS:
        return CheckResult('late', details, f'a mail has waited for {oldest} s')
    return CheckResult('ok', details)


def connect(url: str) -> None:
    """Check that mail can be delivered to `MAIL_URL`.

    For an `smtp:` URL, connect to the mail server. For a `file:` URL, check that mails can be
    written to its folder.

    :raises OSError: if the server or the folder does not accept mail.
    :raises GreetingLate: if the server does not greet in time.
    """
    parts = urlsplit(url)
    if parts.scheme == 'smtp':
        is_tls = parse_qs(parts.query).get('tls') == ['on']
        _wait_for_greeting(parts.hostname or '', parts.port or (465 if is_tls else 587), is_tls)
    elif parts.scheme == 'file':
        folder = Path(unquote(parts.path))
        place = next(path for path in (folder, *folder.parents) if path.exists())
        if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
            raise PermissionError(f'{folder} is not writable')


def _wait_for_greeting(host: str, port: int, is_tls: bool) -> None:
    if is_tls:
        # Do not perform a TLS handshake: it would cost both sides more than its result is worth.
        socket.create_connection((host, port), CONNECT_TIMEOUT_SECONDS).close()
    else:
        GREETING.get().check(host, port)


class GreetingLate(Exception):
    """The mail server accepted the connection, but has not sent its greeting in time."""


@dataclass(slots=True)
class Greeting:
    """A connection on which the health check waits for the greeting of the mail server.

    The wait may last for several checks.
    """

    waiting: socket.socket | None = None
    connected_at: float = 0.0
    #: Whether the server greeted on the previous connection. If so, a greeting that is late is not
    #: reported immediately.
    has_greeted: bool = False

    def check(self, host: str, port: int) -> None:
        """Wait for the greeting, on a new connection or on that of the previous check.

        If the server greeted on the previous connection, a missing greeting becomes an error only
        after `GREETING_TIMEOUT_SECONDS`.

        :raises OSError: if the server rejects the connection or the client.
        :raises GreetingLate: if the server does not greet in time.
        """
        if self.waiting is None:
            self.waiting = socket.create_connection((host, port), CONNECT_TIMEOUT_SECONDS)
            self.connected_at = time.monotonic()
        if select([self.waiting], [], [], GREETING_WAIT_SECONDS)[0]:
            connection, self.waiting = self.waiting, None
            self.has_greeted = False
            _read_greeting(connection)
            self.has_greeted = True
            return
        waited = time.monotonic() - self.connected_at
        if waited > GREETING_TIMEOUT_SECONDS:
            self.close()
            self.has_greeted = False
        if not self.has_greeted:
            raise GreetingLate(f'no greeting within {waited:.1f} s')

    def close(self) -> None:
        """Close the connection on which the check waits, if any."""
        if self.waiting:
            self.waiting.close()
        self.waiting = None


GREETING: AppValue[Greeting] = AppValue('mail_greeting')


def _read_greeting(connection: socket.socket) -> None:
    """Read the first line of a greeting; send QUIT if no other line follows.

    Postfix may send the first of two lines early. It distrusts a client that then sends a command
    before the second line has arrived.

    :raises OSError: if it is not a greeting (RFC 5321, 4.3.1).
    """
    with connection:
        line = connection.recv(512)
        if not line.startswith(b'220'):
            raise ConnectionRefusedError(f'not a greeting: {line!r}')
        if line.startswith(b'220 '):
            with suppress(OSError):
                connection.sendall(b'QUIT\r\n')
