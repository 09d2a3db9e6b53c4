"""Commands: `flask users roles`, `grant` and `revoke`."""

import json

from tests.users.factories import AdminFactory, UserFactory


class TestCommands:
    def test_define_grant_revoke_and_delete(self, cli):
        UserFactory(username='ada')
        AdminFactory()

        def run(*args):
            result = cli.invoke(args=['users', *args])
            return result.stderr if result.exit_code else result.stdout

        assert run('roles', 'set', 'auditor', 'users:read') == 'auditor allows users:read.\n'
        assert run('grant', 'ada', 'auditor') == 'ada has auditor, member.\n'
        assert run('revoke', 'ada', 'member', '--dry-run') == 'ada would have auditor.\n'
        assert run('revoke', 'ada', 'member') == 'ada has auditor.\n'
        listed = {role['name']: role for role in json.loads(run('roles', '--json'))}
        assert listed['auditor']['permissions'] == ['users:read']
        assert run('roles', 'delete', 'auditor', '--dry-run') == 'Would delete auditor.\n'
        assert run('roles', 'delete', 'auditor') == 'Deleted auditor.\n'
        assert run('grant', 'ada', 'auditor') == 'Error: roles: No such role\n'
        assert run('roles', 'set', 'admin') == 'Error: role: A built-in role cannot be changed\n'
