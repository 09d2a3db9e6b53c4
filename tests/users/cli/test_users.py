"""Commands: `flask users list`, `show`, `create`, `disable`, `enable`, `delete` and `stats`."""

import json

import pytest

from project.users.models import User
from tests.users.factories import AdminFactory, UserFactory


@pytest.fixture
def run(cli):
    """Return a function that runs a `flask users` command."""
    return lambda *args, **options: cli.invoke(args=['users', *args], **options)


def rejection(result):
    """Return the only line on stderr; check that the command failed without output."""
    assert result.exit_code != 0
    assert result.stdout == ''
    [line] = result.stderr.splitlines()
    return line


class TestUsersList:
    def test_prints_a_table(self, run):
        UserFactory(username='ada', email='ada@example.com')
        AdminFactory(username='bob')

        result = run('list')

        assert result.exit_code == 0
        head, _line, *rows = result.stdout.splitlines()
        assert head.split()[:3] == ['id', 'username', 'email']
        assert 'ada@example.com' in rows[0]
        assert 'admin member' in rows[1]

    def test_prints_json(self, run):
        user = UserFactory(username='ada')

        [shown] = json.loads(run('list', '--json').stdout)

        assert shown['id'] == user.id
        assert shown['roles'] == ['member']
        assert shown['created_at'].endswith('Z')

    @pytest.mark.parametrize(
        ('options', 'expected'),
        [
            (['--role', 'admin'], ['bob']),
            (['--status', 'disabled'], ['cyd']),
            (['--limit', '2'], ['ada', 'bob']),
            (['--role', 'admin', '--status', 'disabled'], []),
        ],
    )
    def test_filters(self, run, options, expected):
        UserFactory(username='ada')
        AdminFactory(username='bob')
        UserFactory(username='cyd', disabled=True)

        shown = json.loads(run('list', '--json', *options).stdout)

        assert [user['username'] for user in shown] == expected

    def test_removes_escape_sequences_from_names(self, run):
        UserFactory(name='\N{ESCAPE}[2Jgone')

        assert '\N{ESCAPE}' not in run('list').stdout


class TestUsersShow:
    @pytest.mark.parametrize('login', ['ada', 'ADA', 'ada@example.com'])
    def test_prints_a_user(self, run, login):
        UserFactory(username='ada', email='ada@example.com')

        assert json.loads(run('show', login, '--json').stdout)['username'] == 'ada'
        assert 'ada@example.com' in run('show', login).stdout

    def test_rejects_an_unknown_user(self, run):
        assert rejection(run('show', 'nobody')) == 'Error: user: No such user'


class TestUsersCreate:
    def test_creates_a_member(self, run):
        result = run('create', 'Ada', '--email', 'ada@example.com', '--name', 'Ada', '--json')

        shown = json.loads(result.stdout)
        assert (shown['username'], shown['name'], shown['roles']) == ('ada', 'Ada', ['member'])
        assert User.find_by_username('ada')

    def test_assigns_roles(self, run):
        result = run('create', 'ada', '--email', 'ada@example.com', '--role', 'admin', '--json')

        assert json.loads(result.stdout)['roles'] == ['admin']

    @pytest.mark.parametrize(
        ('name', 'email', 'line'),
        [
            ('ADA', 'new@example.com', 'Error: username: Already taken'),
            ('bob', 'ADA@example.com', 'Error: email: Already registered'),
            ('roles', 'new@example.com', 'Error: username: This name is reserved'),
            ('1', 'new@example.com',
             'Error: username: 3 to 32 characters of a-z 0-9 _ -, beginning with a letter'),
        ],
    )  # fmt: skip
    def test_rejects_in_one_line(self, run, name, email, line):
        UserFactory(username='ada', email='ada@example.com')

        assert rejection(run('create', name, '--email', email)) == line

    @pytest.mark.parametrize('name', ['x' * 81, 'two\nlines'])
    def test_rejects_an_invalid_name(self, run, name):
        result = run('create', 'ada', '--email', 'ada@example.com', '--name', name)

        assert rejection(result).startswith('Error: name: ')
        assert User.find_by_username('ada') is None

    def test_rejects_an_invalid_email_address(self, run):
        result = run('create', 'ada', '--email', 'nowhere')

        assert result.exit_code == 2
        assert "'nowhere' is not an email address" in result.stderr


class TestUsersDisable:
    def test_disables_a_user(self, run):
        user = UserFactory(username='ada')

        result = run('disable', 'ada')

        assert (result.exit_code, result.stdout) == (0, 'Disabled ada.\n')
        assert User.find(user.id).status == 'disabled'

    def test_rejects_the_last_admin(self, run):
        AdminFactory(username='ada')

        assert rejection(run('disable', 'ada')) == 'Error: user: The last admin cannot be removed'


class TestUsersEnable:
    def test_enables_a_user(self, run):
        user = UserFactory(username='ada', disabled=True)

        result = run('enable', 'ada')

        assert (result.exit_code, result.stdout) == (0, 'Enabled ada.\n')
        assert User.find(user.id).status == 'active'

    def test_rejects_an_unknown_user(self, run):
        assert rejection(run('enable', 'nobody')) == 'Error: user: No such user'


class TestUsersDelete:
    def test_deletes_without_a_prompt(self, run):
        user = UserFactory(username='ada')

        result = run('delete', 'ada', '--yes')

        assert (result.exit_code, result.stdout) == (0, 'Deleted ada.\n')
        assert User.find(user.id) is None

    def test_prompts_before_the_deletion(self, run):
        user = UserFactory(username='ada')

        result = run('delete', 'ada', input='y\n')

        assert 'Delete ada and all their data? [y/N]' in result.stdout
        assert User.find(user.id) is None

    @pytest.mark.parametrize('answer', ['n\n', '\n', ''])
    def test_deletes_nothing_without_a_yes(self, run, answer):
        user = UserFactory(username='ada')

        result = run('delete', 'ada', input=answer)

        assert result.exit_code == 1
        assert User.find(user.id)

    @pytest.mark.parametrize('options', [['--dry-run'], ['--dry-run', '--yes']])
    def test_prints_the_user_in_a_dry_run(self, run, options):
        user = UserFactory(username='ada', email='ada@example.com')

        result = run('delete', 'ada', *options)

        assert result.exit_code == 0
        assert result.stdout == 'Would delete ada (ada@example.com) and all their data.\n'
        assert User.find(user.id)

    def test_rejects_the_last_admin(self, run):
        AdminFactory(username='ada')

        assert (
            rejection(run('delete', 'ada', '--yes'))
            == 'Error: user: The last admin cannot be removed'
        )


class TestUsersStats:
    def test_counts(self, run):
        UserFactory()
        UserFactory(disabled=True)

        assert json.loads(run('stats', '--json').stdout) == {'active': 1, 'disabled': 1}
        assert run('stats').stdout.split()[:2] == ['active', 'disabled']
