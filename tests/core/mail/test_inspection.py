"""The check of mail by `flask doctor`: a session with the mail server, without a mail."""

import pytest

from project.core.mail import inspection
from project.core.mail.inspection import LATE_AFTER_SECONDS, inspect_mail
from tests.listeners import listener

from .sample_mails import send
from .test_transports import smtp_server


@pytest.fixture
def inspect(mail_app, monkeypatch):
    """Return a function that checks the mail server at a URL."""

    def run(url, **settings):
        for name, value in {'MAIL_URL': url, **settings}.items():
            monkeypatch.setitem(mail_app.config, name, value)
        return list(inspect_mail())

    return run


class TestInspectMail:
    def test_opens_a_session_and_sends_no_mail(self, inspect):
        with smtp_server() as server:
            [found] = inspect(f'smtp://127.0.0.1:{server.port}')

        assert (found.state, found.seen) == ('ok', 'EHLO, no TLS, no login')
        assert server.received == []

    def test_fails_if_the_server_has_no_tls(self, inspect):
        with smtp_server() as server:
            [found] = inspect(f'smtp://127.0.0.1:{server.port}?tls=starttls')

        assert found.state == 'failed'
        assert 'STARTTLS extension not supported' in found.seen

    def test_fails_if_the_server_speaks_no_tls_at_first(self, inspect):
        with smtp_server() as server:
            [found] = inspect(f'smtp://127.0.0.1:{server.port}?tls=on')

        assert (found.state, found.seen.split(':')[0]) == ('failed', 'SSLError')

    def test_fails_if_the_server_rejects_the_login(self, inspect):
        with smtp_server(auth_require_tls=False, authenticator=reject) as server:
            [found] = inspect(f'smtp://ada:s3cret@127.0.0.1:{server.port}')

        assert found.state == 'failed'
        assert '535' in found.seen
        assert 's3cret' not in found.seen

    def test_fails_if_the_server_is_silent(self, inspect, monkeypatch):
        monkeypatch.setattr(inspection, 'STEP_TIMEOUT_SECONDS', 0.1)

        with listener() as port:
            [found] = inspect(f'smtp://127.0.0.1:{port}')

        assert (found.state, 'timed out' in found.seen) == ('failed', True)

    def test_fails_if_the_folder_cannot_be_written(self, inspect, tmp_path):
        (tmp_path / 'file').write_bytes(b'')

        [found] = inspect(f'file://{tmp_path}/file/mail')

        assert found.seen.startswith('PermissionError: ')

    def test_warns_of_late_mails(self, inspect, travel):
        send()

        travel(seconds=LATE_AFTER_SECONDS + 60)
        _, found = inspect('log:')

        assert (found.state, found.fails_deploy) == ('warning', False)
        assert found.seen.startswith('a mail has waited for ')

    @pytest.mark.parametrize(('is_strict', 'state'), [(True, 'warning'), (False, 'ok')])
    def test_warns_in_production_if_no_mail_is_sent(self, inspect, is_strict, state):
        [found] = inspect('log:', STRICT=is_strict)

        assert (found.state, found.fails_deploy) == (state, True)


def reject(*_arguments):
    """Reject a login."""
    from aiosmtpd.smtp import AuthResult

    return AuthResult(success=False, handled=False)
