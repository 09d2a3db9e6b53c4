"""Commands: `flask auth keys` and `flask auth leaked`."""

import json

import pytest

from project.auth.service import create_key, identify, log_in
from project.core.security.tokens import new_token
from tests.auth.factories import PASSWORD, account
from tests.users.factories import principal_of


class TestKeys:
    @pytest.fixture
    def key(self):
        """Create an API key of the user Ada; return it in plain text."""
        ada = account(username='ada')
        return create_key(principal_of(ada), name='Nightly', scopes=['profile:read'])

    def test_are_listed_without_their_plain_text(self, run, key):
        shown = json.loads(run('auth', 'keys', 'ada', '--json').stdout)

        assert [row['name'] for row in shown] == ['Nightly']
        assert key['key'] not in repr(shown)

    def test_are_deleted(self, run, key):
        assert run('auth', 'keys', 'ada', '--revoke', str(key['id'])).exit_code == 0

        assert identify(key['key']) is None
        again = run('auth', 'keys', 'ada', '--revoke', str(key['id']))
        assert (again.exit_code, again.stderr) == (1, 'Error: key: No such key\n')


class TestLeaked:
    def test_revokes_a_token_from_an_argument_or_stdin(self, run, mailbox):
        opened = log_in(user_or_email=account(username='ada').username, password=PASSWORD)

        would = run('auth', 'leaked', opened.token, '--dry-run')
        done = run('auth', 'leaked', '-', input=f'{opened.token}\n')

        assert would.output == 'Would revoke the session of ada.\n'
        assert done.output == 'Revoked the session of ada.\n'
        assert identify(opened.token) is None
        assert len(mailbox()) == 1

    @pytest.mark.parametrize('made', [lambda: 'x', lambda: new_token('pak')], ids=['text', 'key'])
    def test_rejects_an_unknown_token(self, run, made):
        result = run('auth', 'leaked', made())

        assert (result.exit_code, result.stderr) == (1, 'Error: token: Unknown or expired token\n')
