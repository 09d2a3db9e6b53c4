"""Commands: `flask auth sessions`, `revoke`, `unlock` and `sweep`."""

import json
from uuid import uuid4

import pytest
from sqlalchemy import text

from project.auth.errors import WrongCredentials
from project.auth.models import Session
from project.auth.service import log_in
from project.auth.service.attempt_counters import PIN_NETWORK
from project.core.database.session import db
from tests.auth.cli.rejections import rejection
from tests.auth.factories import PASSWORD, RegistrationFactory, SessionFactory, account
from tests.concurrency import separate_app
from tests.users.factories import UserFactory


class TestAuthSessions:
    def test_prints_the_live_sessions(self, run):
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
    def test_ends_all_sessions(self, run):
        user = UserFactory(username='ada')
        SessionFactory.create_batch(2, user=user)
        foreign = SessionFactory()

        result = run('auth', 'revoke', 'ada')

        assert (result.exit_code, result.stdout) == (0, 'Ended 2 session(s).\n')
        assert db.session.scalars(db.select(Session.id)).all() == [foreign.id]

    def test_ends_one_session(self, run):
        user = UserFactory(username='ada')
        one, other = SessionFactory(user=user), SessionFactory(user=user)

        result = run('auth', 'revoke', 'ada', '--session', str(one.id))

        assert (result.exit_code, result.stdout) == (0, 'Ended 1 session(s).\n')
        assert db.session.scalars(db.select(Session.id)).all() == [other.id]

    def test_prints_the_number_of_sessions_in_a_dry_run(self, run):
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

    def test_rejects_a_session_of_another_user(self, run):
        UserFactory(username='ada')

        for session_id in (SessionFactory().id, uuid4()):
            result = run('auth', 'revoke', 'ada', '--session', str(session_id))
            assert rejection(result) == 'Error: session: No such session'


class TestAuthUnlock:
    def test_resets_the_counter_of_wrong_passwords(self, run):
        account(username='ada')
        for _ in range(10):
            with pytest.raises(WrongCredentials):
                log_in(user_or_email='ada', password='wrong')

        assert run('auth', 'unlock', 'ada').stdout == 'Reset login-name.\n'
        assert log_in(user_or_email='ada', password=PASSWORD)

    def test_prints_that_no_attempts_were_counted(self, run):
        UserFactory(username='ada')

        result = run('auth', 'unlock', 'ada')

        assert (result.exit_code, result.stdout) == (0, 'No attempts were counted.\n')

    def test_resets_the_counter_of_a_network(self, run):
        PIN_NETWORK.consume('192.0.2.0/24')

        result = run('auth', 'unlock', '--network', '::ffff:192.0.2.7')

        assert (result.exit_code, result.stdout) == (0, 'Reset pin-network.\n')

    @pytest.mark.parametrize(
        'arguments',
        [(), ('ada', '--network', '192.0.2.7'), ('--network', ''), ('--network', '192.0.2.0/24')],
    )
    def test_rejects_other_arguments(self, run, arguments):
        assert run('auth', 'unlock', *arguments).exit_code == 2

    def test_rejects_an_unknown_user(self, run):
        assert rejection(run('auth', 'unlock', 'nobody')) == 'Error: user: No such user'


class TestAuthSweep:
    def test_deletes_expired_rows(self, run):
        SessionFactory(expired=True)
        kept = SessionFactory()

        would = run('auth', 'sweep', '--dry-run', '--json')
        done = run('auth', 'sweep', '--json')
        again = run('auth', 'sweep')

        assert json.loads(would.stdout) == json.loads(done.stdout)
        assert json.loads(done.stdout)['sessions'] == 1
        assert again.stdout.split()[:3] == ['sessions', 'registrations', 'pins']
        assert db.session.scalars(db.select(Session.id)).all() == [kept.id]

    def test_prints_the_tables_that_failed(self, tmp_path):
        with separate_app(tmp_path) as app:
            RegistrationFactory(expired=True)
            with db.engine.begin() as connection:
                connection.execute(text('ALTER TABLE auth_sessions RENAME TO renamed'))

            result = app.test_cli_runner().invoke(args=['auth', 'sweep', '--json'])

            assert json.loads(result.stdout)['registrations'] == 1
            assert result.stderr.splitlines()[-1] == 'Error: not cleaned up: sessions'
            assert result.exit_code == 1
