"""Mails: rendered from templates and delivered after the commit they belong to, never before.

A mail is a folder `mail/<name>/` of `subject.txt`, `body.txt` and `body.html` in the templates of
the feature that sends it.
"""

import logging
import smtplib
import ssl
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, make_msgid, parseaddr
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

from flask import Flask, current_app, render_template

from project.core.clock import now
from project.core.origin import Origin, current_origin, set_origin

from .database import after_commit

Transport = Callable[[EmailMessage], None]

SMTP_TIMEOUT = 10  # seconds, for each step of the conversation

log = logging.getLogger(__name__)


class Post:
    """An application's way out for mails: a thread of its own, so that no request waits for it."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.transport = transport_for(app.config['MAIL_URL'])
        self.executor: ThreadPoolExecutor | None = None
        self.pending: set[Future[None]] = set()

    def submit(
        self, template: str, to: str, context: dict[str, Any], *, deliver: bool = True
    ) -> None:
        """Render a mail soon, and deliver it if it is meant; what goes wrong is logged."""
        # Made late: a thread would not survive the fork of a preloaded worker.
        self.executor = self.executor or ThreadPoolExecutor(1, thread_name_prefix='mail')
        future = self.executor.submit(self._post, current_origin(), template, to, context, deliver)
        self.pending.add(future)
        future.add_done_callback(self.pending.discard)

    def drain(self) -> None:
        """Wait until everything submitted so far has been delivered or has failed."""
        wait(list(self.pending))

    def _post(
        self, origin: Origin, template: str, to: str, context: dict[str, Any], deliver: bool
    ) -> None:
        # In a thread of its own it would come from nowhere, and its log lines belong to a request.
        set_origin(origin)
        try:
            with self.app.app_context():
                message = render_mail(template, to, context)
                if deliver:
                    self.transport(message)
        except Exception:
            log.exception('mail %s was not delivered', template)


def init_app(app: Flask) -> None:
    """Open an application's way out for mails, and give its templates our filter."""
    app.extensions['mail'] = Post(app)
    app.add_template_filter(duration)


def send_mail(template: str, *, to: str, deliver: bool = True, **context: Any) -> None:
    """Send the mail called `template` to one address once the transaction has been committed.

    :param deliver: False to render it and throw it away, where nobody may tell by the time an
        answer takes whether there was a mail.

    Refuses to be called outside `atomic`. The context must be plain values, no rows: the session
    is gone when it is rendered.
    """
    after_commit(
        partial(current_app.extensions['mail'].submit, template, to, context, deliver=deliver)
    )


def render_mail(template: str, to: str, context: dict[str, Any]) -> EmailMessage:
    """Return the mail as it is sent. Refuses an address or a subject that would add a header."""
    render = partial(
        _render, f'mail/{template}', {'public_url': current_app.config['PUBLIC_URL'], **context}
    )
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    message['From'] = current_app.config['MAIL_FROM']
    message['To'] = to
    message['Subject'] = ' '.join(render('subject.txt').split())
    message['Date'] = format_datetime(now())
    message['Message-ID'] = make_msgid(
        domain=parseaddr(current_app.config['MAIL_FROM'])[1].split('@')[-1]
    )
    message['Auto-Submitted'] = 'auto-generated'
    message.set_content(render('body.txt'))
    message.add_alternative(render('body.html'), subtype='html')
    return message


def duration(length: timedelta) -> str:
    """Filter: say `10 minutes`, `24 hours` or `7 days` for a length of time."""
    minutes = round(length.total_seconds() / 60)
    for size, unit in ((60 * 48, 'day'), (60, 'hour'), (1, 'minute')):
        if minutes >= size:
            count = minutes // (24 * 60 if unit == 'day' else size)
            break
    else:
        count, unit = minutes, 'minute'
    return f'{count} {unit}' if count == 1 else f'{count} {unit}s'


def transport_for(url: str) -> Transport:
    """Return what delivers to `smtp://user:password@host:port?tls=…`, `file:///dir` or `log:`.

    `tls` is `starttls` (the default beyond this machine), `on` or `off`; certificates are verified.
    Refuses other URLs with SystemExit.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(''), None
    if parts.scheme == 'smtp' and parts.hostname:
        local = parts.hostname in ('localhost', '127.0.0.1', '::1')
        tls = parse_qs(parts.query).get('tls', ['off' if local else 'starttls'])[0]
        if tls in ('starttls', 'on', 'off'):
            return partial(_to_smtp, parts.hostname, port, tls, parts.username, parts.password)
    if parts.scheme == 'file' and parts.path and not parts.netloc:
        return partial(_to_folder, Path(unquote(parts.path)))
    if parts.scheme == 'log':
        return _to_log
    raise SystemExit('MAIL_URL must be smtp://host:port?tls=starttls|on|off, file:///dir or log:')


def _render(folder: str, context: dict[str, Any], part: str) -> str:
    return render_template(f'{folder}/{part}', **context)


def _to_smtp(
    host: str,
    port: int | None,
    tls: str,
    user: str | None,
    password: str | None,
    message: EmailMessage,
) -> None:
    trust = ssl.create_default_context()
    if tls == 'on':
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, port or 465, timeout=SMTP_TIMEOUT, context=trust
        )
    else:
        server = smtplib.SMTP(host, port or 587, timeout=SMTP_TIMEOUT)
    with server:
        if tls == 'starttls':
            server.starttls(context=trust)
        if user:
            server.login(unquote(user), unquote(password or ''))
        server.send_message(message)


def _to_folder(folder: Path, message: EmailMessage) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f'{now():%Y%m%dT%H%M%S.%f}-{uuid4().hex[:8]}'
    # There by rename: who watches the folder never reads half a mail.
    draft = folder / f'.{name}.tmp'
    draft.write_bytes(bytes(message))
    draft.rename(folder / f'{name}.eml')


def _to_log(message: EmailMessage) -> None:
    body = message.get_body(('plain',))
    log.info('mail to %s: %s\n%s', message['To'], message['Subject'], body and body.get_content())
