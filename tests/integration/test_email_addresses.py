"""Different spellings of one email address, at all entry points that accept an address."""

import pytest

from project.core.database.keyset_pagination import PageRequest
from project.users import service as users
from project.users.models import User
from tests.auth.factories import PASSWORD, account
from tests.kit.responses import data, fails_with
from tests.users.factories import AdminFactory

API = '/api/v1'
CANONICAL = 'ada@bücher.example'
FORMS = [
    'ada@bücher.example',
    'ada@xn--bcher-kva.example',
    'ADA@XN--BCHER-KVA.EXAMPLE',
    ' ada@Bücher.example ',
    'ada@bu\N{COMBINING DIAERESIS}cher.example',
]
every_form = pytest.mark.parametrize('form', FORMS)


@pytest.fixture
def ada():
    """Return a user who has this email address and can log in."""
    return account(username='ada', email=CANONICAL)


class TestRequests:
    @every_form
    def test_register_and_verify(self, client, mailbox, form):
        body = {'username': 'ada', 'email': form, 'password': PASSWORD}
        assert client.post(f'{API}/auth/accounts', json=body).status_code == 202
        pin = mailbox.latest().code

        proof = {'email': CANONICAL, 'pin': pin, 'password': PASSWORD}
        assert client.put(f'{API}/auth/verifications', json=proof).status_code == 201
        assert User.find_by_username('ada').email.casefold() == CANONICAL

    @every_form
    def test_log_in(self, client, ada, form):
        body = {'user_or_email': form, 'password': PASSWORD}

        assert client.post(f'{API}/auth/sessions', json=body).status_code == 201

    @every_form
    def test_filter_users(self, as_user, ada, form):
        found = as_user(AdminFactory()).get(f'{API}/users', query_string={'email': form})

        assert [user['username'] for user in data(found)['items']] == ['ada']

    @every_form
    def test_reject_a_new_user_with_a_taken_email_address(self, as_user, ada, form):
        body = {'username': 'other', 'email': form}

        taken = as_user(AdminFactory()).post(f'{API}/users', json=body)

        fails_with(taken, 'email', status=409)

    def test_distinguish_domains_that_differ_in_idna(self, client, mailbox):
        account(email='ada@strasse.test')
        body = {'username': 'ada', 'email': 'ada@straße.test', 'password': PASSWORD}
        client.post(f'{API}/auth/accounts', json=body)
        mail = mailbox.latest()
        assert mail['To'] == 'ada@xn--strae-oqa.test'

        proof = {'email': 'ada@strasse.test', 'pin': mail.code, 'password': PASSWORD}
        assert client.put(f'{API}/auth/verifications', json=proof).status_code == 422

        proof['email'] = 'ada@straße.test'
        assert client.put(f'{API}/auth/verifications', json=proof).status_code == 201


class TestCommands:
    @every_form
    def test_name_a_user(self, cli, ada, form):
        for command in (('users', 'show'), ('auth', 'sessions'), ('auth', 'unlock')):
            result = cli.invoke(args=[*command, form])
            assert result.exit_code == 0, result.output

    @every_form
    def test_create_a_user(self, cli, form):
        result = cli.invoke(args=['create-user', 'ada', '--email', form, '--generate'])

        assert f'Created ada <{User.find_by_username("ada").email}>' in result.stdout
        assert users.list_users(PageRequest(filters={'email': CANONICAL})).items

    @every_form
    def test_reject_an_imported_user_with_a_taken_email_address(self, cli, ada, tmp_path, form):
        (tmp_path / 'users.csv').write_text(f'username,email\nother,{form}\n')

        result = cli.invoke(args=['users', 'import', str(tmp_path / 'users.csv'), '--no-invite'])

        assert 'Created 0, rejected 1.' in result.output
        assert User.find_by_username('other') is None
