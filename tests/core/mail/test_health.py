"""The health check of mail delivery."""

import pytest

from project.core.database.session import atomic
from project.core.mail import health
from project.core.mail.health import check_mail
from project.core.tasks import enqueue
from tests.listeners import accepting_server, listener
from tests.service import free_port
from tests.tasks import task

pytestmark = pytest.mark.usefixtures('no_tasks')


@pytest.fixture
def configure(app, monkeypatch):
    """Return a function that sets MAIL_URL."""
    greeting = health.Greeting()
    monkeypatch.setitem(app.extensions, 'mail_greeting', greeting)
    yield lambda url: monkeypatch.setitem(app.config, 'MAIL_URL', url)
    greeting.close()


@atomic()
def enqueue_mail():
    """Enqueue a mail that is due now."""
    enqueue(task(name='deliver', queue='mail')(lambda: None))


class TestCheckMail:
    def test_returns_ok_when_the_server_greets(self, configure):
        with listener(b'220 mail.test ready\r\n') as port:
            configure(f'smtp://127.0.0.1:{port}?tls=off')

            found = check_mail()

        assert (found.state, found.details) == ('ok', {'oldest': 0})

    def test_returns_down_when_the_server_rejects_connections(self, configure):
        configure(f'smtp://127.0.0.1:{free_port()}?tls=off')

        found = check_mail()

        assert found.state == 'down'
        assert 'Connection refused' in found.reason

    @pytest.mark.parametrize('greeting', [b'554 no service\r\n', b'\r\n'])
    def test_returns_down_when_the_server_rejects_the_client(self, configure, greeting):
        with listener(greeting) as port:
            configure(f'smtp://127.0.0.1:{port}?tls=off')

            assert check_mail().state == 'down'

    def test_returns_silent_when_the_server_does_not_greet(self, configure):
        with listener() as port:
            configure(f'smtp://127.0.0.1:{port}?tls=off')

            found = check_mail()

        assert found.state == 'silent'
        assert 'no greeting within' in found.reason

    def test_keeps_waiting_in_later_calls_for_a_server_that_greets_late(
        self, configure, monkeypatch
    ):
        monkeypatch.setattr(health, 'GREETING_WAIT_SECONDS', 0.01)
        with accepting_server() as (port, connections):
            configure(f'smtp://127.0.0.1:{port}?tls=off')
            states = [check_mail().state]
            connections.get(timeout=5).sendall(b'220-mail.test waits\r\n')
            monkeypatch.setattr(health, 'GREETING_WAIT_SECONDS', 5)
            states.append(check_mail().state)
            monkeypatch.setattr(health, 'GREETING_WAIT_SECONDS', 0.01)
            states.append(check_mail().state)
            monkeypatch.setattr(health, 'GREETING_TIMEOUT_SECONDS', 0)
            states.append(check_mail().state)

        assert states == ['silent', 'ok', 'ok', 'silent']

    def test_returns_down_when_the_folder_cannot_be_written(self, configure, tmp_path):
        (tmp_path / 'file').touch()
        configure(f'file://{tmp_path}/file/mail')

        assert check_mail().state == 'down'

    @pytest.mark.parametrize(('age', 'state'), [(300, 'ok'), (301, 'late')])
    def test_returns_late_when_a_mail_has_waited_for_over_five_minutes(
        self, configure, tmp_path, age, state, travel
    ):
        configure(f'file://{tmp_path}/mail')
        enqueue_mail()
        travel(seconds=age)

        found = check_mail()

        assert (found.state, found.details) == (state, {'oldest': age})

    def test_does_not_need_the_database(self, configure, kernel):
        app = kernel(
            SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none', MAIL_URL='log:'
        )

        with app.app_context():
            found = check_mail()

        assert (found.state, found.details) == ('ok', {'oldest': None})
