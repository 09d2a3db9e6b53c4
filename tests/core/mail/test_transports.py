"""How a mail leaves, by SMTP, into a folder or into the log."""

import logging
import re
import smtplib
import socket
from contextlib import contextmanager
from email import message_from_bytes, policy
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
from tests.pending_tasks import run_pending_tasks
from tests.repository_copy import ROOT

from ..outbox import rows, travel_forward
from .sample_mails import TO, delivered, hello, send, text_of

pytestmark = pytest.mark.usefixtures('post_office')

COMPOSE = ROOT / 'docker-compose.yml'


class Mailbox:
    """What an SMTP server does with what it is handed: keep it, with how it came."""

    def __init__(self, *, refusal=None, step='RCPT', farewell='221 Bye'):
        self.kept = []
        self.refusals = {step: refusal} if refusal else {}
        self.farewell = farewell

    async def handle_MAIL(self, server, session, envelope, address, options):
        envelope.mail_from = address
        return self.refusals.get('MAIL', '250 OK')

    async def handle_RCPT(self, server, session, envelope, address, options):
        envelope.rcpt_tos.append(address)
        return self.refusals.get('RCPT', '250 OK')

    async def handle_DATA(self, server, session, envelope):
        if 'body' in self.refusals:
            return self.refusals['body']
        self.kept.append(SimpleNamespace(envelope=envelope, session=session))
        return '250 OK'

    async def handle_QUIT(self, server, session, envelope):
        if self.farewell is None:
            # Gone without a word.
            server.transport.abort()
        return self.farewell or ''


class Server(Controller):
    """A server at a port of the system's choice."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    def factory(self):
        return Session(self.handler, **self.SMTP_kwargs)


class Session(SMTP):
    """A session that may reject DATA before the body."""

    async def smtp_DATA(self, arg):
        if refusal := self.event_handler.refusals.get('DATA'):
            await self.push(refusal)
        else:
            await super().smtp_DATA(arg)


@contextmanager
def smtp_server(refusal=None, farewell='221 Bye', step='RCPT', **options):
    mailbox = Mailbox(refusal=refusal, farewell=farewell, step=step)
    server = Server(mailbox, hostname='127.0.0.1', port=0, **options)
    server.start()
    mailbox.port = server.port
    try:
        yield mailbox
    finally:
        server.stop()


def deliver(app, monkeypatch, url):
    """Send a mail, and make one attempt to deliver it to this server."""
    monkeypatch.setitem(app.extensions, 'mail', create_transport(url))
    send()
    run_pending_tasks(app)


class TestTransportFor:
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
    def test_stops_with_one_line_at_what_is_no_way_out(self, url):
        with pytest.raises(SystemExit, match='MAIL_URL must be'):
            create_transport(url)


class TestToSmtp:
    def test_hands_it_to_the_server(self):
        with smtp_server() as server:
            create_transport(f'smtp://127.0.0.1:{server.port}')(hello())

        [mail] = server.kept
        assert mail.envelope.rcpt_tos == [TO]
        assert mail.envelope.mail_from == 'team@example.test'
        read = message_from_bytes(mail.envelope.content, policy=policy.default)
        assert read['Subject'] == 'Hello Ada, welcome'
        assert 'You have 10 minutes.' in text_of(read)

    def test_hands_it_to_the_catcher_of_the_compose_file(self):
        settings = yaml.safe_load(COMPOSE.read_text())['services']['api']['environment']
        default = re.fullmatch(r'\$\{MAIL_URL:-(.+)\}', settings['MAIL_URL'])[1]
        chosen = create_transport(default)
        host, port, *others = chosen.args

        with smtp_server() as server:
            partial(chosen.func, '127.0.0.1', server.port, *others)(hello())

        assert (host, port) == ('mail', 1025)
        assert [mail.envelope.rcpt_tos for mail in server.kept] == [[TO]]

    def test_hands_over_an_address_in_any_script(self):
        with smtp_server(enable_SMTPUTF8=True) as server:
            create_transport(f'smtp://127.0.0.1:{server.port}')(hello(to='jürgen@bücher.example'))

        assert server.kept[0].envelope.rcpt_tos == ['jürgen@xn--bcher-kva.example']

    def test_hands_over_an_ascii_address_of_any_domain_without_smtputf8(self):
        with smtp_server(enable_SMTPUTF8=False) as server:
            create_transport(f'smtp://127.0.0.1:{server.port}')(hello(to='ada@bücher.example'))

        assert server.kept[0].envelope.rcpt_tos == ['ada@xn--bcher-kva.example']

    def test_logs_in_with_what_the_url_says(self):
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
        assert len(server.kept) == 1

    @pytest.mark.parametrize('tls', ['starttls', 'on'])
    def test_sends_nothing_in_the_clear_where_encryption_was_asked_for(self, tls):
        with (
            smtp_server() as server,
            pytest.raises((smtplib.SMTPException, OSError)),
        ):
            create_transport(f'smtp://127.0.0.1:{server.port}?tls={tls}')(hello())

        assert server.kept == []

    def test_wants_encryption_beyond_this_machine(self):
        chosen = [
            create_transport(f'smtp://{host}').args[2]
            for host in ('mail.example.com', 'localhost', '127.0.0.1', '[::1]')
        ]

        assert chosen == ['starttls', 'off', 'off', 'off']

    def test_gives_up_an_address_that_the_server_does_not_take(self):
        with smtp_server(refusal='550 nobody lives there') as server:
            transport = create_transport(f'smtp://127.0.0.1:{server.port}')
            with pytest.raises(
                PermanentFailure, match=r'for this address: 550 .*nobody lives there'
            ):
                transport(hello())

    def test_gives_up_an_address_that_the_server_cannot_write(self):
        with smtp_server(enable_SMTPUTF8=False) as server:
            transport = create_transport(f'smtp://127.0.0.1:{server.port}')
            with pytest.raises(PermanentFailure, match='cannot take mail for such an address'):
                transport(hello(to='jürgen@bücher.example'))

        assert server.kept == []

    @pytest.mark.parametrize('farewell', ['421 too busy', '500 what', 'no reply at all', None])
    def test_does_not_send_twice_what_was_taken_however_the_server_takes_leave(self, farewell):
        with smtp_server(farewell=farewell) as server:
            create_transport(f'smtp://127.0.0.1:{server.port}')(hello())

        assert len(server.kept) == 1

    @pytest.mark.parametrize('step', ['MAIL', 'RCPT', 'DATA', 'body'])
    @pytest.mark.parametrize(
        ('refusal', 'state'),
        [
            ('450 not now', 'waiting'), ('421 closing', 'waiting'), ('530 log in', 'waiting'),
            ('550 never', 'dead'), ('552 too large', 'dead'), ('571 spam', 'dead'),
        ],
    )  # fmt: skip
    def test_lets_the_first_digit_decide_wherever_it_comes(
        self, post_office, monkeypatch, step, refusal, state
    ):
        with smtp_server(refusal, step=step) as server:
            deliver(post_office, monkeypatch, f'smtp://127.0.0.1:{server.port}')

        [row] = rows()
        assert (row.state, row.attempts) == (state, 1)
        assert refusal.split()[0] in row.last_error

    def test_keeps_a_mail_for_later_if_the_login_is_rejected(self, post_office, monkeypatch):
        options = {
            'authenticator': lambda *_: AuthResult(success=False, handled=False),
            'auth_require_tls': False,
            'auth_required': True,
            'auth_exclude_mechanism': ['CRAM-MD5'],
        }
        with pytest.warns(UserWarning, match='Requiring AUTH'), smtp_server(**options) as server:
            deliver(post_office, monkeypatch, f'smtp://ada:wrong@127.0.0.1:{server.port}')

        [row] = rows()
        assert (row.state, row.attempts) == ('waiting', 1)
        assert '535' in row.last_error

    def test_survives_a_server_that_is_not_there(self, post_office, monkeypatch, caplog):
        with smtp_server() as server:
            pass
        transport = create_transport(f'smtp://ada:s3cret@127.0.0.1:{server.port}')
        monkeypatch.setitem(post_office.extensions, 'mail', transport)
        send()

        run_pending_tasks(post_office)

        [row] = rows()
        assert row.last_error.startswith('ConnectionRefusedError: ')
        assert 's3cret' not in caplog.text + row.last_error

    def test_waits_no_longer_than_so_long_for_a_server_that_hangs(self, post_office, monkeypatch):
        monkeypatch.setattr(transports, 'SMTP_TIMEOUT_SECONDS', 0.2)
        with hanging_server() as port:
            transport = create_transport(f'smtp://127.0.0.1:{port}')
            monkeypatch.setitem(post_office.extensions, 'mail', transport)
            send()
            run_pending_tasks(post_office)

        [row] = rows()
        assert (row.state, row.attempts) == ('waiting', 1)
        assert 'timed out' in row.last_error

    def test_delivers_what_a_server_that_hung_left_undone(self, post_office, monkeypatch):
        monkeypatch.setattr(transports, 'SMTP_TIMEOUT_SECONDS', 0.2)
        with hanging_server() as port:
            lost = create_transport(f'smtp://127.0.0.1:{port}')
            monkeypatch.setitem(post_office.extensions, 'mail', lost)
            send()
            run_pending_tasks(post_office)
        monkeypatch.setattr(transports, 'SMTP_TIMEOUT_SECONDS', 10)

        with smtp_server() as server, travel_forward(hours=1):
            transport = create_transport(f'smtp://127.0.0.1:{server.port}')
            monkeypatch.setitem(post_office.extensions, 'mail', transport)
            run_pending_tasks(post_office)

        assert [mail.envelope.rcpt_tos for mail in server.kept] == [[TO]]
        assert rows() == []


@contextmanager
def hanging_server():
    """A server that takes a mail and then falls silent, before it says 250."""
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


class TestToFolder:
    def test_is_there_by_rename(self, tmp_path, monkeypatch):
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

    def test_takes_its_own_place_when_it_is_sent_again(self, tmp_path):
        deliver, stamp = create_transport(f'file://{tmp_path}/out'), new_message_identity(now())

        deliver(hello(stamp=stamp))
        deliver(hello(stamp=stamp, name='Eve'))
        deliver(hello())

        subjects = [message['Subject'] for message in delivered(tmp_path / 'out')]
        assert subjects == ['Hello Eve, welcome', 'Hello Ada, welcome']


class TestToLog:
    def test_shows_the_text_to_a_developer(self, caplog):
        # The application has set up logging anew, and so taken away what pytest listens with.
        logging.getLogger().addHandler(caplog.handler)
        caplog.set_level(logging.INFO, 'project.core.mail')

        create_transport('log:')(hello())

        [record] = caplog.records
        assert record.message.startswith('mail to ada@example.com: Hello Ada, welcome\n')
        assert 'You have 10 minutes.' in record.message
