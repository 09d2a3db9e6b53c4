"""`flask create-user` and `flask auth`."""

import json
from types import SimpleNamespace
from uuid import uuid4

import pytest

from project.auth.errors import WrongCredentials
from project.auth.models import Session
from project.auth.service import create_key, identify, log_in
from project.core.database.session import db
from project.core.security.tokens import new_token
from project.users.models import User
from tests.users.factories import UserFactory, principal_of

from .factories import PASSWORD, SessionFactory, account


@pytest.fixture
def run(cli):
    """Return a function that runs `flask …`."""
    return lambda *args, **options: cli.invoke(args=args, **options)


@pytest.fixture
def terminal(monkeypatch):
    """Let a person sit there, who can be asked."""
    monkeypatch.setattr(
        'project.auth.cli.accounts.sys', SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    )


def rejection(result):
    """Return the one line with which a command refused."""
    assert result.exit_code != 0
    [line] = result.stderr.splitlines()
    return line


class TestCreateUser:
    def test_generates_a_password_where_nobody_can_be_asked(self, run):
        result = run('create-user', 'Ada', '--email', 'ada@example.com')

        assert result.exit_code == 0
        created, password = result.stdout.splitlines()
        assert created == 'Created ada <ada@example.com> (member).'
        assert log_in(user_or_email='ada', password=password.removeprefix('Password: '))

    def test_makes_an_admin(self, run):
        result = run('create-user', 'ada', '--email', 'ada@example.com', '--admin')

        assert 'Created ada <ada@example.com> (admin, member).' in result.stdout
        assert User.find_by_username('ada').roles == ['admin', 'member']

    @pytest.mark.usefixtures('terminal')
    def test_asks_for_the_password_twice_and_does_not_show_it(self, run):
        result = run(
            'create-user', 'ada', '--email', 'ada@example.com', input=f'{PASSWORD}\n{PASSWORD}\n'
        )

        assert result.exit_code == 0
        assert PASSWORD not in result.output
        assert 'Repeat for confirmation' in result.stdout
        assert log_in(user_or_email='ada', password=PASSWORD)

    @pytest.mark.usefixtures('terminal')
    def test_generates_for_a_person_who_says_so(self, run):
        result = run('create-user', 'ada', '--email', 'ada@example.com', '--generate')

        assert 'Password: ' in result.stdout

    @pytest.mark.usefixtures('terminal')
    @pytest.mark.parametrize(
        ('password', 'line'),
        [
            ('password', 'Error: password: Too easy to guess'),
            ('zqk93v7', 'Error: password: 8 to 128 characters'),
            ('zq9' * 50, 'Error: password: 8 to 128 characters'),
            ('ada@example.com', 'Error: password: Too easy to guess'),
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
    def test_rejects_what_is_taken_in_one_line(self, run, name, email, line):
        UserFactory(username='ada', email='ada@example.com')

        result = run('create-user', name, '--email', email)

        assert rejection(result) == line
        assert result.stdout == ''

    def test_rejects_what_is_no_address(self, run):
        result = run('create-user', 'ada', '--email', 'nowhere')

        assert result.exit_code == 2
        assert "'nowhere' is not a mail address" in result.stderr


class TestAuthSessions:
    def test_prints_the_live_ones(self, run):
        user = UserFactory(username='ada')
        session = SessionFactory(user=user, ip_address='192.0.2.7', user_agent='browser/7')
        SessionFactory(user=user, expired=True)

        table = run('auth', 'sessions', 'ada').stdout
        [shown] = json.loads(run('auth', 'sessions', 'ada@EXAMPLE.com', '--json').stdout)

        assert str(session.id) in table
        assert (shown['id'], shown['address']) == (str(session.id), '192.0.2.7')
        assert 'token_hash' not in shown
        assert session.token_hash not in table

    def test_rejects_an_unknown_user(self, run):
        assert rejection(run('auth', 'sessions', 'nobody')) == 'Error: user: No such user'


class TestAuthRevoke:
    def test_ends_all(self, run):
        user = UserFactory(username='ada')
        SessionFactory.create_batch(2, user=user)
        foreign = SessionFactory()

        result = run('auth', 'revoke', 'ada')

        assert (result.exit_code, result.stdout) == (0, 'Ended 2 session(s).\n')
        assert db.session.scalars(db.select(Session.id)).all() == [foreign.id]

    def test_ends_one(self, run):
        user = UserFactory(username='ada')
        one, other = SessionFactory(user=user), SessionFactory(user=user)

        result = run('auth', 'revoke', 'ada', '--session', str(one.id))

        assert (result.exit_code, result.stdout) == (0, 'Ended 1 session(s).\n')
        assert db.session.scalars(db.select(Session.id)).all() == [other.id]

    def test_says_what_it_would_end(self, run):
        user = UserFactory(username='ada')
        one, _ = SessionFactory(user=user), SessionFactory(user=user)
        foreign = SessionFactory()

        for options, count in (
            ([], 2),
            (['--session', str(one.id)], 1),
            (['--session', str(foreign.id)], 0),
        ):
            result = run('auth', 'revoke', 'ada', '--dry-run', *options)
            assert (result.exit_code, result.stdout) == (0, f'Would end {count} session(s).\n')

        assert len(db.session.scalars(db.select(Session.id)).all()) == 3

    def test_rejects_one_that_is_not_theirs(self, run):
        UserFactory(username='ada')

        for session_id in (SessionFactory().id, uuid4()):
            result = run('auth', 'revoke', 'ada', '--session', str(session_id))
            assert rejection(result) == 'Error: session: No such session'


class TestAuthUnlock:
    def test_forgets_wrong_passwords(self, run):
        account(username='ada')
        for _ in range(10):
            with pytest.raises(WrongCredentials):
                log_in(user_or_email='ada', password='wrong')

        assert run('auth', 'unlock', 'ada').stdout == 'Unlocked.\n'
        assert log_in(user_or_email='ada', password=PASSWORD)

    def test_says_that_nothing_was_locked(self, run):
        UserFactory(username='ada')

        result = run('auth', 'unlock', 'ada')

        assert (result.exit_code, result.stdout) == (0, 'Was not locked.\n')

    def test_rejects_an_unknown_user(self, run):
        assert rejection(run('auth', 'unlock', 'nobody')) == 'Error: user: No such user'


class TestAuthSweep:
    def test_deletes_what_is_over(self, run):
        SessionFactory(expired=True)
        kept = SessionFactory()

        would = run('auth', 'sweep', '--dry-run', '--json')
        done = run('auth', 'sweep', '--json')
        again = run('auth', 'sweep')

        assert json.loads(would.stdout) == json.loads(done.stdout)
        assert json.loads(done.stdout)['sessions'] == 1
        assert again.stdout.split()[:3] == ['sessions', 'registrations', 'pins']
        assert db.session.scalars(db.select(Session.id)).all() == [kept.id]


class TestResetPassword:
    def test_mails_a_pin(self, cli, mailbox):
        account(username='ada', email='ada@example.com')

        result = cli.invoke(args=['auth', 'reset-password', 'ada'])

        assert result.output == 'A PIN is on its way to ada@example.com.\n'
        assert [mail['To'] for mail in mailbox()] == ['ada@example.com']


class TestKeys:
    @pytest.fixture
    def key(self):
        """A key of Ada's, as it is shown once."""
        ada = account(username='ada')
        return create_key(principal_of(ada), name='Nightly', scopes=['files:read'])

    def test_are_listed_without_the_keys(self, run, key):
        shown = json.loads(run('auth', 'keys', 'ada', '--json').stdout)

        assert [row['name'] for row in shown] == ['Nightly']
        assert key['key'] not in repr(shown)

    def test_are_deleted(self, run, key):
        assert run('auth', 'keys', 'ada', '--revoke', str(key['id'])).exit_code == 0

        assert identify(key['key']) is None
        again = run('auth', 'keys', 'ada', '--revoke', str(key['id']))
        assert (again.exit_code, again.stderr) == (1, 'Error: key: No such key\n')


class TestLeaked:
    def test_revokes_what_it_is_given(self, run, mailbox):
        opened = log_in(user_or_email=account(username='ada').username, password=PASSWORD)

        would = run('auth', 'leaked', opened.token, '--dry-run')
        done = run('auth', 'leaked', '-', input=f'{opened.token}\n')

        assert would.output == 'Would revoke the session of ada.\n'
        assert done.output == 'Revoked the session of ada.\n'
        assert identify(opened.token) is None
        assert len(mailbox()) == 1

    @pytest.mark.parametrize('made', [lambda: 'x', lambda: new_token('pak')], ids=['text', 'key'])
    def test_rejects_what_opens_nothing(self, run, made):
        result = run('auth', 'leaked', made())

        assert (result.exit_code, result.stderr) == (1, 'Error: token: Opens nothing\n')


class TestEvents:
    def test_are_listed_newest_first_for_one_or_all(self, run):
        for name in ('ada', 'eve'):
            log_in(user_or_email=account(username=name).username, password=PASSWORD)

        everybody = json.loads(run('auth', 'events', '--kind', 'login', '--json').stdout)
        eves = json.loads(run('auth', 'events', 'eve', '--kind', 'login', '--json').stdout)
        newest = json.loads(run('auth', 'events', '--limit', '1', '--json').stdout)

        assert len(everybody) == 2
        assert eves == newest == everybody[:1]
        assert eves[0]['details']['new_device'] is True
        assert 'login' in run('auth', 'events').stdout
