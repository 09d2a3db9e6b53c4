"""Actions on users, and their effects on credentials and security events."""

from sqlalchemy import select

from project.auth.models import Credential, Event
from project.auth.service import create_key, identify
from project.core.database.session import db
from project.users.service import define_role, import_users, request_export
from tests.users.factories import UserFactory, principal_of

ROW = {'username': 'eve', 'email': 'eve@example.com', 'name': '', 'bio': '', 'roles': ['member']}


class TestRequestExport:
    def test_records_the_request(self):
        request_export(UserFactory().id)

        assert db.session.scalars(select(Event.event_type)).all() == ['export_requested']


class TestImportUsers:
    def test_creates_no_password(self):
        assert import_users([ROW]) == []

        assert db.session.scalars(select(Credential)).all() == []

    def test_records_only_the_creation_without_invitations(self):
        import_users([ROW], invite=False)

        assert db.session.scalars(select(Event.event_type)).all() == ['user_created']


class TestDefineRole:
    def test_affects_the_next_request(self):
        """ASVS 8.3.2: a change of permissions applies immediately."""
        define_role('auditor', ['users:read'])
        user = UserFactory(roles=['member', 'auditor'])
        key = create_key(principal_of(user), name='ci', scopes=['users:read'])['key']
        assert identify(key).has_permission('users:read')

        define_role('auditor', [])

        assert not identify(key).has_permission('users:read')
