"""Commands: `flask create-user`, `flask auth disable-totp` and `reset-password`."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pyotp
import pytest

from project.auth.errors import PasswordTooWeak
from project.auth.service import confirm_totp, log_in, start_totp_enrolment
from project.core.clock import now
from project.users.models import User
from tests.auth.cli.rejections import rejection
from tests.auth.factories import PASSWORD, account
from tests.users.factories import UserFactory, principal_of


@pytest.fixture
def terminal(monkeypatch):
    """Simulate a terminal, so that the command prompts for the password."""
    monkeypatch.setattr(
        'project.auth.cli.accounts.sys', SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    )


class TestAuthDisableTotp:
    def test_disables_a_second_factor(self, run):
        asker = principal_of(account(username='ada'))
        secret = start_totp_enrolment(asker).secret
        confirm_totp(asker, pyotp.TOTP(secret).at(now()))

        result = run('auth', 'disable-totp', 'ada')

        assert result.exit_code == 0
        assert result.stdout == 'Turned off the second factor of ada.\n'
        assert log_in(user_or_email='ada', password=PASSWORD)

    def test_rejects_a_user_without_a_second_factor(self, run):
        account(username='ada')

        assert rejection(run('auth', 'disable-totp', 'ada')) == 'Error: totp: Not enabled'


class TestCreateUser:
    def test_generates_a_password_without_a_terminal(self, run):
        result = run('create-user', 'Ada', '--email', 'ada@example.com')

        assert result.exit_code == 0
        created, _, password = result.stdout.splitlines()
        assert created == 'Created ada <ada@example.com> (member).'
        assert log_in(user_or_email='ada', password=password.removeprefix('Password: '))

    def test_creates_an_admin(self, run):
        result = run('create-user', 'ada', '--email', 'ada@example.com', '--admin')

        assert 'Created ada <ada@example.com> (admin, member).' in result.stdout
        assert User.find_by_username('ada').roles == ['admin', 'member']

    @pytest.mark.usefixtures('terminal')
    def test_prompts_for_the_password_twice_without_echo(self, run):
        result = run(
            'create-user', 'ada', '--email', 'ada@example.com', input=f'{PASSWORD}\n{PASSWORD}\n'
        )

        assert result.exit_code == 0
        assert PASSWORD not in result.output
        assert 'Repeat for confirmation' in result.stdout
        assert log_in(user_or_email='ada', password=PASSWORD)

    @pytest.mark.usefixtures('terminal')
    def test_generates_a_password_at_a_terminal_with_the_option(self, run):
        result = run('create-user', 'ada', '--email', 'ada@example.com', '--generate')

        assert 'Password: ' in result.stdout

    def test_prints_the_expiry_of_a_generated_password(self, run, travel):
        with travel(to=datetime(2026, 11, 23, 12, tzinfo=UTC)):
            result = run('create-user', 'ada', '--email', 'ada@example.com', '--generate')

        assert 'The password is valid until 2026-11-24 12:00 UTC' in result.stdout

    @pytest.mark.usefixtures('terminal')
    @pytest.mark.parametrize(
        ('password', 'line'),
        [
            ('password', f'Error: password: {PasswordTooWeak.reason}'),
            ('zqk93v7', 'Error: password: 8 to 128 characters'),
            ('zq9' * 50, 'Error: password: 8 to 128 characters'),
            ('ada@example.com', f'Error: password: {PasswordTooWeak.reason}'),
        ],
    )
    def test_rejects_a_weak_password_in_one_line(self, run, password, line):
        result = run(
            'create-user', 'ada', '--email', 'ada@example.com', input=f'{password}\n{password}\n'
        )

        assert rejection(result) == line
        assert User.find_by_username('ada') is None

    @pytest.mark.parametrize(
        ('name', 'email', 'line'),
        [
            ('ADA', 'new@example.com', 'Error: username: Already taken'),
            ('bob', 'ADA@example.com', 'Error: email: Already registered'),
            ('roles', 'new@example.com', 'Error: username: This name is reserved'),
        ],
    )
    def test_rejects_a_taken_or_reserved_name_in_one_line(self, run, name, email, line):
        UserFactory(username='ada', email='ada@example.com')

        result = run('create-user', name, '--email', email)

        assert rejection(result) == line
        assert result.stdout == ''

    def test_rejects_an_invalid_email_address(self, run):
        result = run('create-user', 'ada', '--email', 'nowhere')

        assert result.exit_code == 2
        assert "'nowhere' is not an email address" in result.stderr


class TestResetPassword:
    def test_sends_a_pin(self, cli, mailbox):
        account(username='ada', email='ada@example.com')

        result = cli.invoke(args=['auth', 'reset-password', 'ada'])

        assert result.output == 'A PIN is on its way to ada@example.com.\n'
        assert [mail['To'] for mail in mailbox()] == ['ada@example.com']
