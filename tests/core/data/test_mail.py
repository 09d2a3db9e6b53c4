"""Mails: rendered, delivered after the commit, and never in a request's way."""

import logging
import re
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from functools import partial
from pathlib import Path
from threading import Event, current_thread
from types import SimpleNamespace

import pytest
import time_machine
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from flask import Blueprint

from project.core.data import mail
from project.core.data.database import atomic, db
from project.core.data.mail import (
    Post,
    duration,
    render_mail,
    send_mail,
    transport_for,
)
from project.core.origin import Origin, current_origin, set_origin

from ..apps import kernel_app

COMPOSE = Path(__file__).parents[3] / 'docker-compose.yml'

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HELLO = {'name': 'Ada', 'lifetime': timedelta(minutes=10)}
TO = 'ada@example.com'


@pytest.fixture
def post(tmp_path):
    """Return an application's way out, in its context, with a mail of ours to send."""
    letters = Blueprint('letters', __name__, template_folder='templates')
    app = kernel_app(tmp_path, letters, MAIL_FROM='The Team <team@example.test>')
    with app.app_context():
        yield app.extensions['mail']
        app.extensions['mail'].drain()
        db.session.remove()


def delivered(folder):
    paths = sorted(folder.glob('*.eml'))
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]


def text_of(message, kind='plain'):
    return message.get_body((kind,)).get_content()


class Mailbox:
    """What an SMTP server does with what it is handed: keep it, with how it came."""

    def __init__(self):
        self.kept = []

    async def handle_DATA(self, server, session, envelope):
        self.kept.append(SimpleNamespace(envelope=envelope, session=session))
        return '250 OK'


class Server(Controller):
    """A server at a port of the system's choice."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def smtp_server(**options):
    mailbox = Mailbox()
    server = Server(mailbox, hostname='127.0.0.1', port=0, **options)
    server.start()
    mailbox.port = server.port
    try:
        yield mailbox
    finally:
        server.stop()


class TestPost:
    def test_delivers_in_a_thread_of_its_own(self, post):
        threads = []
        post.transport = lambda _message: threads.append(current_thread().name)

        post.submit('hello', TO, HELLO)
        post.drain()

        assert threads == ['mail_0']

    def test_lets_nobody_wait(self, post):
        may_go, done = Event(), []

        def slow(message):
            may_go.wait(10)
            done.append(message['To'])

        post.transport = slow
        post.submit('hello', TO, HELLO)
        post.submit('hello', 'eve@example.com', HELLO)
        assert done == []

        may_go.set()
        post.drain()
        assert done == [TO, 'eve@example.com']
        assert post.pending == set()

    def test_logs_what_goes_wrong_and_goes_on(self, post, caplog, tmp_path):
        post.submit('nonsense', TO, HELLO)
        post.submit('hello', TO, HELLO)
        post.drain()

        assert [record.message for record in caplog.records if record.levelname == 'ERROR'] == [
            'mail nonsense was not delivered'
        ]
        assert len(delivered(tmp_path / 'mail')) == 1

    def test_works_for_the_request_that_sent_it(self, post):
        seen = []
        post.transport = lambda _message: seen.append(current_origin().request_id)

        for request_id in ('one', 'two'):
            context = copy_context()
            context.run(set_origin, Origin(request_id))
            context.run(post.submit, 'hello', TO, HELLO)
        post.drain()

        assert seen == ['one', 'two']

    def test_makes_its_thread_late_for_one_would_not_survive_a_fork(self, post):
        assert Post(post.app).executor is None


class TestSendMail:
    def test_delivers_after_the_commit_and_not_before(self, post, tmp_path):
        with atomic():
            send_mail('hello', to=TO, **HELLO)
            post.drain()
            assert delivered(tmp_path / 'mail') == []

        post.drain()
        [message] = delivered(tmp_path / 'mail')
        assert message['To'] == TO

    def test_writes_and_throws_away_what_is_not_meant(self, post, tmp_path, monkeypatch):
        written = []
        monkeypatch.setattr(mail, 'render_mail', lambda *mail_of: written.append(mail_of))

        with atomic():
            send_mail('hello', to=TO, deliver=False, **HELLO)
        post.drain()

        assert [template for template, *_ in written] == ['hello']
        assert not list(tmp_path.rglob('*.eml'))

    def test_delivers_nothing_of_what_was_rolled_back(self, post, tmp_path):
        @atomic()
        def refuse():
            send_mail('hello', to=TO, **HELLO)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            refuse()
        post.drain()
        assert delivered(tmp_path / 'mail') == []

    def test_refuses_to_be_called_outside_a_transaction(self, post):
        with pytest.raises(RuntimeError, match='outside atomic'):
            send_mail('hello', to=TO, **HELLO)


class TestRenderMail:
    @time_machine.travel(NOON, tick=False)
    def test_says_all_that_a_mail_has_to_say(self, post):
        message = render_mail('hello', TO, HELLO)

        assert message['From'] == 'The Team <team@example.test>'
        assert message['To'] == TO
        assert message['Subject'] == 'Hello Ada, welcome'
        assert message['Date'] == 'Mon, 23 Nov 2026 12:00:00 +0000'
        assert re.fullmatch(r'<[^@]+@example\.test>', message['Message-ID'])
        assert message['Auto-Submitted'] == 'auto-generated'

    def test_has_a_text_and_the_same_as_html(self, post):
        message = render_mail('hello', TO, HELLO)

        assert message.get_content_type() == 'multipart/alternative'
        text, html = text_of(message), text_of(message, 'html')
        assert 'WELCOME' in text
        assert 'You have 10 minutes.' in text
        assert 'http://localhost:8000' in text
        assert '<p>You have 10 minutes, Ada.</p>' in html
        assert 'http://localhost:8000' in html

    def test_gives_every_mail_an_id_of_its_own(self, post):
        ids = {render_mail('hello', TO, HELLO)['Message-ID'] for _ in range(3)}

        assert len(ids) == 3

    def test_lets_no_hostile_name_into_the_html(self, post):
        name = '<img src=x onerror=alert(1)>"\''

        message = render_mail('hello', TO, {**HELLO, 'name': name})

        assert '<img' not in text_of(message, 'html')
        assert '&lt;img src=x' in text_of(message, 'html')
        assert f'Hello {name},' in text_of(message)

    @pytest.mark.parametrize('line', ['\r\n', '\n', '\r'])
    def test_lets_no_name_add_a_header(self, post, line):
        name = f'Ada{line}Bcc: eve@example.com{line}{line}Hello'

        raw = bytes(render_mail('hello', TO, {**HELLO, 'name': name}))

        head = raw.split(b'\r\n\r\n')[0]
        assert message_from_bytes(raw)['Bcc'] is None
        assert b'\r\nBcc:' not in head

    @pytest.mark.parametrize('line', ['\r\n', '\n', '\r'])
    def test_refuses_an_address_that_would_add_a_header(self, post, line):
        with pytest.raises(ValueError):
            render_mail('hello', f'{TO}{line}Bcc: eve@example.com', HELLO)

    def test_writes_all_the_letters_of_the_world(self, post):
        message = render_mail('hello', 'jürgen@bücher.example', {**HELLO, 'name': 'Jürgen 🎩'})

        read = message_from_bytes(bytes(message), policy=policy.default)
        assert read['To'] == 'jürgen@bücher.example'
        assert read['Subject'] == 'Hello Jürgen 🎩, welcome'
        assert 'Hello Jürgen 🎩,' in text_of(read)


class TestDuration:
    @pytest.mark.parametrize(
        ('length', 'words'),
        [
            (timedelta(0), '0 minutes'),
            (timedelta(seconds=29), '0 minutes'),
            (timedelta(minutes=1), '1 minute'),
            (timedelta(minutes=10), '10 minutes'),
            (timedelta(minutes=59), '59 minutes'),
            (timedelta(hours=1), '1 hour'),
            (timedelta(hours=24), '24 hours'),
            (timedelta(hours=47), '47 hours'),
            (timedelta(days=2), '2 days'),
            (timedelta(days=7), '7 days'),
        ],
    )
    def test_says_how_long(self, length, words):
        assert duration(length) == words


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
            transport_for(url)


class TestToSmtp:
    def deliver(self, post, url, to=TO):
        post.transport = transport_for(url)
        post.submit('hello', to, HELLO)
        post.drain()

    def test_hands_it_to_the_server(self, post):
        with smtp_server() as server:
            self.deliver(post, f'smtp://127.0.0.1:{server.port}')

        [mail] = server.kept
        assert mail.envelope.rcpt_tos == [TO]
        assert mail.envelope.mail_from == 'team@example.test'
        read = message_from_bytes(mail.envelope.content, policy=policy.default)
        assert read['Subject'] == 'Hello Ada, welcome'
        assert 'You have 10 minutes.' in text_of(read)

    def test_hands_it_to_the_catcher_of_the_compose_file(self, post):
        settings = yaml.safe_load(COMPOSE.read_text())['services']['api']['environment']
        default = re.fullmatch(r'\$\{MAIL_URL:-(.+)\}', settings['MAIL_URL'])[1]
        chosen = transport_for(default)
        host, port, *others = chosen.args

        with smtp_server() as server:
            post.transport = partial(chosen.func, '127.0.0.1', server.port, *others)
            post.submit('hello', TO, HELLO)
            post.drain()

        assert (host, port) == ('mail', 1025)
        assert [mail.envelope.rcpt_tos for mail in server.kept] == [[TO]]

    def test_hands_over_an_address_in_any_script(self, post):
        with smtp_server(enable_SMTPUTF8=True) as server:
            self.deliver(post, f'smtp://127.0.0.1:{server.port}', to='jürgen@bücher.example')

        assert server.kept[0].envelope.rcpt_tos == ['jürgen@bücher.example']

    def test_logs_in_with_what_the_url_says(self, post):
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
            self.deliver(post, f'smtp://ada%40home:p%40ss%2Fword@127.0.0.1:{server.port}')

        assert seen == [(b'ada@home', b'p@ss/word')]
        assert len(server.kept) == 1

    def test_sends_nothing_in_the_clear_where_encryption_was_asked_for(self, post, caplog):
        with smtp_server() as server:
            self.deliver(post, f'smtp://127.0.0.1:{server.port}?tls=starttls')
            self.deliver(post, f'smtp://127.0.0.1:{server.port}?tls=on')

        assert server.kept == []
        assert [r.message for r in caplog.records if r.name == 'project.core.data.mail'] == [
            'mail hello was not delivered'
        ] * 2

    def test_wants_encryption_beyond_this_machine(self):
        chosen = [
            transport_for(f'smtp://{host}').args[2]
            for host in ('mail.example.com', 'localhost', '127.0.0.1', '[::1]')
        ]

        assert chosen == ['starttls', 'off', 'off', 'off']

    def test_survives_a_server_that_is_not_there(self, post, caplog):
        with smtp_server() as server:
            pass

        self.deliver(post, f'smtp://ada:s3cret@127.0.0.1:{server.port}')

        [record] = [r for r in caplog.records if r.levelname == 'ERROR']
        assert record.message == 'mail hello was not delivered'
        assert 's3cret' not in caplog.text


class TestToFolder:
    def test_is_there_by_rename(self, post, tmp_path, monkeypatch):
        renamed = []
        rename = Path.rename

        def note(path, target):
            renamed.append((path.name, Path(target).name, path.stat().st_size > 0))
            return rename(path, target)

        monkeypatch.setattr(Path, 'rename', note)
        transport_for(f'file://{tmp_path}/out%20box')(render_mail('hello', TO, HELLO))

        [(draft, name, complete)] = renamed
        assert draft.startswith('.')
        assert name.endswith('.eml')
        assert complete
        assert [path.name for path in (tmp_path / 'out box').iterdir()] == [name]

    def test_keeps_the_order_in_the_names(self, post, tmp_path):
        send = transport_for(f'file://{tmp_path}/out')

        with time_machine.travel(NOON, tick=False) as clock:
            for name in ('first', 'second', 'third'):
                send(render_mail('hello', TO, {**HELLO, 'name': name}))
                clock.shift(timedelta(microseconds=1))

        subjects = [message['Subject'] for message in delivered(tmp_path / 'out')]
        assert subjects == [f'Hello {name}, welcome' for name in ('first', 'second', 'third')]


class TestToLog:
    def test_shows_the_text_to_a_developer(self, post, caplog):
        caplog.set_level(logging.INFO, 'project.core.data.mail')

        transport_for('log:')(render_mail('hello', TO, HELLO))

        [record] = caplog.records
        assert record.message.startswith('mail to ada@example.com: Hello Ada, welcome\n')
        assert 'You have 10 minutes.' in record.message
