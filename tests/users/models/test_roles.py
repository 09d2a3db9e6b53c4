"""Models: `permissions_of` returns the permissions of roles."""

from project.core.database.session import db
from project.core.security.permissions import all_permissions, default_permissions
from project.users.models import RoleDefinition, permissions_of
from project.users.service import define_role


class TestPermissionsOf:
    def test_executes_no_query_for_built_in_roles(self, queries):
        with queries(max=0):
            assert permissions_of(['member']) == default_permissions()
            assert permissions_of(['admin', 'member']) == all_permissions()

    def test_adds_the_permissions_of_defined_roles(self, queries):
        define_role('auditor', ['users:read'])
        define_role('clerk', ['users:write'])

        with queries(max=1):
            held = permissions_of(['member', 'auditor', 'clerk'])
        assert held == default_permissions() | {'users:read', 'users:write'}

    def test_ignores_permissions_that_no_feature_declares(self):
        define_role('auditor', ['users:read'])
        db.session.connection().execute(
            RoleDefinition.__table__.update().values(permissions=['users:read', 'gone:read'])
        )

        assert permissions_of(['auditor']) == default_permissions() | {'users:read'}
