"""Transports that deliver mails: by SMTP, to a folder, or to the log."""

import logging
import re
import smtplib
import socket
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from project.core.clock import now
from project.core.mail import transports
from project.core.mail.rendering import new_message_identity
from project.core.mail.transports import create_transport
from project.core.tasks import PermanentFailure
from tests.kit.mailbox import mails_in, parse_mail, text_of
from tests.kit.tasks import run_pending_tasks
from tests.repository_copy import ROOT

from ..outbox import rows
from .sample_mails import TO, hello, send

pytestmark = pytest.mark.usefixtures('mail_app')

COMPOSE = ROOT / 'docker-compose.yml'


class Mailbox:
    """A handler of the SMTP server, which stores each mail together with its session.

    :param rejection: the response that rejects the command `step`.
    """

    def __init__(self, *, rejection=None, step='RCPT', quit_reply='221 Bye'):
        self.received = []
        self.rejections = {step: rejection} if rejection else {}
        self.quit_reply = quit_reply

    async def handle_MAIL(self, server, session, envelope, address, options):
        envelope.mail_from = address
        return self.rejections.get('MAIL', '250 OK')

    async def handle_RCPT(self, server, session, envelope, address, options):
        envelope.rcpt_tos.append(address)
        return self.rejections.get('RCPT', '250 OK')

    async def handle_DATA(self, server, session, envelope):
        if 'body' in self.rejections:
            return self.rejections['body']
        self.received.append(SimpleNamespace(envelope=envelope, session=session))
        return '250 OK'

    async def handle_QUIT(self, server, session, envelope):
        if self.quit_reply is None:
            # Close the connection without a reply.
            server.transport.abort()
        return self.quit_reply or ''


class Server(Controller):
    """An SMTP server that chooses a free port and stores it as `port`."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    def factory(self):
        return Session(self.handler, **self.SMTP_kwargs)


class Session(SMTP):
    """An SMTP session that can reject the command DATA before the client sends the mail."""

    async def smtp_DATA(self, arg):
        if rejection := self.event_handler.rejections.get('DATA'):
            await self.push(rejection)
        else:
            await super().smtp_DATA(arg)


@contextmanager
def smtp_server(rejection=None, quit_reply='221 Bye', step='RCPT', **options):
    mailbox = Mailbox(rejection=rejection, quit_reply=quit_reply, step=step)
    server = Server(mailbox, hostname='127.0.0.1', port=0, **options)
    server.start()
    mailbox.port = server.port
    try:
        yield mailbox
    finally:
        server.stop()


def deliver(app, monkeypatch, url):
    """Send a sample mail, and try once to deliver it to the SMTP server at `url`."""
    monkeypatch.setitem(app.extensions, 'mail', create_transport(url))
    send()
    run_pending_tasks(app)


class TestCreateTransport:
    @pytest.mark.parametrize(
        'url',
        [
            '',
            'smtp:',
            'smtp://',
            'smtp://host?tls=maybe',
            'smtp://host:port',
            'smtp://host:99999',
            'smtp://[::1',
            'file://',
            'file://host/folder',
            'http://host',
            '/folder',
        ],
    )
    def test_exits_with_one_line_for_an_invalid_url(self, url):
        with pytest.raises(SystemExit, match='MAIL_URL must be'):
            create_transport(url)


class TestSmtpTransport:
    def test_delivers_to_the_server(self):
        with smtp_server() as server:
            create_transport(f'smtp://127.0.0.1:{server.port}')(hello())

        [mail] = server.received
        assert mail.envelope.rcpt_tos == [TO]
        assert mail.envelope.mail_from == 'team@example.test'
        read = parse_mail(mail.envelope.content)
        assert read['Subject'] == 'Hello Ada, welcome'
        assert 'You have 10 minutes.' in text_of(read)

    def test_delivers_to_the_mail_catcher_of_the_compose_file(self):
        settings = yaml.safe_load(COMPOSE.read_text())['services']['api']['environment']
        default = re.fullmatch(r'\$\{MAIL_URL:-(.+)\}', settings['MAIL_URL'])[1]
        chosen = create_transport(default)
        host, port, *others = chosen.args

        with smtp_server() as server:
            partial(chosen.func, '127.0.0.1', server.port, *others)(hello())

        assert (host, port) == ('mail', 1025)
        assert [mail.envelope.rcpt_tos for mail in server.received] == [[TO]]

    def test_delivers_to_an_email_address_in_any_script(self):
        with smtp_server(enable_SMTPUTF8=True) as server:
            create_transport(f'smtp://127.0.0.1:{server.port}')(hello(to='jürgen@bücher.example'))

        assert server.received[0].envelope.rcpt_tos == ['jürgen@xn--bcher-kva.example']

    def test_delivers_to_any_domain_without_smtputf8(self):
        with smtp_server(enable_SMTPUTF8=False) as server:
            create_transport(f'smtp://127.0.0.1:{server.port}')(hello(to='ada@bücher.example'))

        assert server.received[0].envelope.rcpt_tos == ['ada@xn--bcher-kva.example']

    def test_logs_in_with_the_credentials_of_the_url(self):
        seen = []

        def authenticate(server, session, envelope, mechanism, credentials):
            seen.append((credentials.login, credentials.password))
            return AuthResult(success=True)

        options = {
            'authenticator': authenticate,
            'auth_require_tls': False,
            'auth_required': True,
            'auth_exclude_mechanism': ['CRAM-MD5'],
        }
        with pytest.warns(UserWarning, match='Requiring AUTH'), smtp_server(**options) as server:
            create_transport(f'smtp://ada%40home:p%40ss%2Fword@127.0.0.1:{server.port}')(hello())

        assert seen == [(b'ada@home', b'p@ss/word')]
        assert len(server.received) == 1

    @pytest.mark.parametrize('tls', ['starttls', 'on'])
    def test_sends_nothing_in_plain_text_if_tls_is_required(self, tls):
        with (
            smtp_server() as server,
            pytest.raises((smtplib.SMTPException, OSError)),
        ):
            create_transport(f'smtp://127.0.0.1:{server.port}?tls={tls}')(hello())

        assert server.received == []

    def test_requires_tls_except_for_this_machine(self):
        chosen = [
            create_transport(f'smtp://{host}').args[2]
            for host in ('mail.example.com', 'localhost', '127.0.0.1', '[::1]')
        ]

        assert chosen == ['starttls', 'off', 'off', 'off']

    def test_raises_permanent_failure_for_a_rejected_email_address(self):
        with smtp_server(rejection='550 nobody lives there') as server:
            transport = create_transport(f'smtp://127.0.0.1:{server.port}')
            with pytest.raises(
                PermanentFailure,
                match=r'the server rejects the recipient: 550 .*nobody lives there',
            ):
                transport(hello())

    def test_raises_permanent_failure_if_the_server_lacks_smtputf8(self):
        with smtp_server(enable_SMTPUTF8=False) as server:
            transport = create_transport(f'smtp://127.0.0.1:{server.port}')
            with pytest.raises(PermanentFailure, match='does not support this address'):
                transport(hello(to='jürgen@bücher.example'))

        assert server.received == []

    @pytest.mark.parametrize('quit_reply', ['421 too busy', '500 what', 'no reply at all', None])
    def test_succeeds_with_any_reply_to_quit(self, quit_reply):
        with smtp_server(quit_reply=quit_reply) as server:
            create_transport(f'smtp://127.0.0.1:{server.port}')(hello())

        assert len(server.received) == 1

    @pytest.mark.parametrize('step', ['MAIL', 'RCPT', 'DATA', 'body'])
    @pytest.mark.parametrize(
        ('rejection', 'state'),
        [
            ('450 not now', 'waiting'), ('421 closing', 'waiting'), ('530 log in', 'waiting'),
            ('550 never', 'dead'), ('552 too large', 'dead'), ('571 spam', 'dead'),
        ],
    )  # fmt: skip
    def test_retries_after_4xx_and_dead_letters_after_5xx_at_every_step(
        self, mail_app, monkeypatch, step, rejection, state
    ):
        with smtp_server(rejection, step=step) as server:
            deliver(mail_app, monkeypatch, f'smtp://127.0.0.1:{server.port}')

        [row] = rows()
        assert (row.state, row.attempts) == (state, 1)
        assert rejection.split()[0] in row.last_error

    def test_retries_after_a_rejected_login(self, mail_app, monkeypatch):
        options = {
            'authenticator': lambda *_: AuthResult(success=False, handled=False),
            'auth_require_tls': False,
            'auth_required': True,
            'auth_exclude_mechanism': ['CRAM-MD5'],
        }
        with pytest.warns(UserWarning, match='Requiring AUTH'), smtp_server(**options) as server:
            deliver(mail_app, monkeypatch, f'smtp://ada:wrong@127.0.0.1:{server.port}')

        [row] = rows()
        assert (row.state, row.attempts) == ('waiting', 1)
        assert '535' in row.last_error

    def test_retries_when_the_server_is_unreachable(self, mail_app, monkeypatch, caplog):
        with smtp_server() as server:
            pass
        transport = create_transport(f'smtp://ada:s3cret@127.0.0.1:{server.port}')
        monkeypatch.setitem(mail_app.extensions, 'mail', transport)
        send()

        run_pending_tasks(mail_app)

        [row] = rows()
        assert row.last_error.startswith('ConnectionRefusedError: ')
        assert 's3cret' not in caplog.text + row.last_error

    def test_retries_after_the_timeout_of_a_hanging_server(self, mail_app, monkeypatch):
        monkeypatch.setattr(transports, 'SMTP_TIMEOUT_SECONDS', 0.2)
        with hanging_server() as port:
            transport = create_transport(f'smtp://127.0.0.1:{port}')
            monkeypatch.setitem(mail_app.extensions, 'mail', transport)
            send()
            run_pending_tasks(mail_app)

        [row] = rows()
        assert (row.state, row.attempts) == ('waiting', 1)
        assert 'timed out' in row.last_error

    def test_delivers_later_after_a_server_that_hung(self, mail_app, monkeypatch, travel):
        monkeypatch.setattr(transports, 'SMTP_TIMEOUT_SECONDS', 0.2)
        with hanging_server() as port:
            lost = create_transport(f'smtp://127.0.0.1:{port}')
            monkeypatch.setitem(mail_app.extensions, 'mail', lost)
            send()
            run_pending_tasks(mail_app)
        monkeypatch.setattr(transports, 'SMTP_TIMEOUT_SECONDS', 10)

        with smtp_server() as server, travel(hours=1):
            transport = create_transport(f'smtp://127.0.0.1:{server.port}')
            monkeypatch.setitem(mail_app.extensions, 'mail', transport)
            run_pending_tasks(mail_app)

        assert [mail.envelope.rcpt_tos for mail in server.received] == [[TO]]
        assert rows() == []


@contextmanager
def hanging_server():
    """Run an SMTP server that never confirms a received mail; yield its port."""
    with socket.create_server(('127.0.0.1', 0)) as listener:

        def serve():
            with listener.accept()[0] as connection, connection.makefile('rwb') as file:
                file.write(b'220 here\r\n')
                file.flush()
                for line in file:
                    if line == b'.\r\n':
                        continue
                    verb = line[:4].upper()
                    if verb in (b'EHLO', b'HELO', b'MAIL', b'RCPT', b'DATA'):
                        file.write(b'354 go on\r\n' if verb == b'DATA' else b'250 fine\r\n')
                        file.flush()

        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


class TestFolderTransport:
    def test_writes_the_file_by_rename(self, tmp_path, monkeypatch):
        renamed = []
        rename = Path.rename

        def record(path, target):
            renamed.append((path.name, Path(target).name, path.stat().st_size > 0))
            return rename(path, target)

        monkeypatch.setattr(Path, 'rename', record)
        create_transport(f'file://{tmp_path}/out%20box')(hello())

        [(draft, name, complete)] = renamed
        assert draft.startswith('.')
        assert name.endswith('.eml')
        assert complete
        assert [path.name for path in (tmp_path / 'out box').iterdir()] == [name]

    def test_replaces_its_own_file_when_it_is_sent_again(self, tmp_path):
        deliver, identity = create_transport(f'file://{tmp_path}/out'), new_message_identity(now())

        deliver(hello(identity=identity))
        deliver(hello(identity=identity, name='Eve'))
        deliver(hello())

        subjects = [message['Subject'] for message in mails_in(tmp_path / 'out')]
        assert subjects == ['Hello Eve, welcome', 'Hello Ada, welcome']


class TestLogTransport:
    def test_logs_the_text(self, caplog):
        # The application has configured logging, which removed the handler of the fixture `caplog`.
        logging.getLogger().addHandler(caplog.handler)
        caplog.set_level(logging.INFO, 'project.core.mail')

        create_transport('log:')(hello())

        [record] = caplog.records
        assert record.message.startswith('mail to ada@example.com: Hello Ada, welcome\n')
        assert 'You have 10 minutes.' in record.message
