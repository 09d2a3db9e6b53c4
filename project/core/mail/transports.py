"""Transports: they deliver mails by SMTP, into a folder, or into the log."""

import logging
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from project.core.app_values import AppValue
from project.core.tasks import PermanentFailure

Transport = Callable[[EmailMessage], None]
# Host, port, TLS mode, user and password.
SmtpArguments = tuple[str, int | None, str, str | None, str | None]
TRANSPORT: AppValue[Transport] = AppValue('mail')

SMTP_TIMEOUT_SECONDS = 10  # for each step of a session

# The first digit of the SMTP replies that reject a mail permanently.
FINAL_REPLY = 5

# SMTP replies to a missing or wrong login (RFC 4954, 6). The mail is not at fault, so it is retried
# until the operator has corrected MAIL_URL. The same applies if the certificate or the greeting is
# rejected.
AUTHENTICATION_REPLIES = {530, 534, 535, 538}

log = logging.getLogger(__name__)


def create_transport(url: str) -> Transport:
    """Return the transport of a URL.

    :param url: `smtp://user:password@host:port?tls=…`, `file:///dir` or `log:`. `tls` is `starttls`
        (the default), `on` or `off` (the default for localhost). Certificates are verified.
    :raises SystemExit: if the URL has another form.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(''), None
    if parts.scheme == 'smtp' and parts.hostname:
        host, port, tls, user, password = _smtp_arguments(parts)
        if tls in ('starttls', 'on', 'off'):
            return partial(_to_smtp, host, port, tls, user, password)
    if parts.scheme == 'file' and parts.path and not parts.netloc:
        return partial(_to_folder, Path(unquote(parts.path)))
    if parts.scheme == 'log':
        return _to_log
    raise SystemExit('MAIL_URL must be smtp://host:port?tls=starttls|on|off, file:///dir or log:')


def _to_smtp(
    host: str,
    port: int | None,
    tls: str,
    user: str | None,
    password: str | None,
    message: EmailMessage,
) -> None:
    with _smtp_session(host, port, tls, user, password, SMTP_TIMEOUT_SECONDS) as server:
        _send_message(server, message)


def try_smtp(url: str, *, timeout: float) -> str:
    """Log in to the mail server of an `smtp:` URL without sending a mail.

    :param timeout: in seconds, for each step of the session.
    :returns: the steps that the server has accepted, such as `EHLO, STARTTLS, login`.
    :raises OSError: if the server cannot be reached or rejects a step (`SMTPException`), or its
        certificate is not valid.
    """
    host, port, tls, user, password = _smtp_arguments(urlsplit(url))
    with _smtp_session(host, port, tls, user, password, timeout) as server:
        server.ehlo_or_helo_if_needed()
    steps = {'starttls': 'EHLO, STARTTLS', 'on': 'TLS, EHLO', 'off': 'EHLO, no TLS'}[tls]
    return f'{steps}, login' if user else f'{steps}, no login'


def _smtp_arguments(parts: SplitResult) -> SmtpArguments:
    """Return host, port, TLS mode, user and password of an `smtp:` URL."""
    host = parts.hostname or ''
    default = 'off' if host in ('localhost', '127.0.0.1', '::1') else 'starttls'
    tls = parse_qs(parts.query).get('tls', [default])[0]
    return host, parts.port, tls, parts.username, parts.password


@contextmanager
def _smtp_session(
    host: str, port: int | None, tls: str, user: str | None, password: str | None, timeout: float
) -> Iterator[smtplib.SMTP]:
    """Open a session with a mail server, with TLS and a login if they are configured."""
    trust = ssl.create_default_context()
    if tls == 'on':
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port or 465, timeout=timeout, context=trust)
    else:
        server = smtplib.SMTP(host, port or 587, timeout=timeout)
    try:
        if tls == 'starttls':
            server.starttls(context=trust)
        if user:
            server.login(unquote(user), unquote(password or ''))
        yield server
        # The server has accepted the mail: if QUIT fails, the mail must not be sent again.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        server.close()


def _send_message(server: smtplib.SMTP, message: EmailMessage) -> None:
    """Send a message in an open session.

    The first digit of the server's reply to a command decides (RFC 5321, 4.2.1). 5 means a
    permanent rejection: the mail becomes a dead letter, which an operator can retry. After any
    other error, the task is retried automatically.

    :raises PermanentFailure: if the server permanently rejects the sender, the recipient or the
        mail, or does not support the email address.
    """
    try:
        server.send_message(message)
    except smtplib.SMTPNotSupportedError as error:
        raise PermanentFailure(f'the server does not support this address: {error}') from error
    except smtplib.SMTPRecipientsRefused as error:
        [(code, reply)] = error.recipients.values()
        _raise_if_final(code, f'the server rejects the recipient: {code} {reply!r}')
        raise
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        what = 'sender' if isinstance(error, smtplib.SMTPSenderRefused) else 'mail'
        reason = f'the server rejects the {what}: {error.smtp_code} {error.smtp_error!r}'
        _raise_if_final(error.smtp_code, reason)
        raise


def _raise_if_final(code: int, reason: str) -> None:
    if code // 100 == FINAL_REPLY and code not in AUTHENTICATION_REPLIES:
        raise PermanentFailure(reason)


def _to_folder(folder: Path, message: EmailMessage) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # The name of the file is the message id, which begins with the time. So a mail that is sent
    # again replaces its own file.
    name = message['Message-ID'].strip('<>').rpartition('@')[0]
    # The file is renamed when it is complete, so that a program that watches the folder never reads
    # an incomplete mail.
    draft = folder / f'.{name}.tmp'
    draft.write_bytes(bytes(message))
    draft.rename(folder / f'{name}.eml')


def _to_log(message: EmailMessage) -> None:
    body = message.get_body(('plain',))
    log.info('mail to %s: %s\n%s', message['To'], message['Subject'], body and body.get_content())
