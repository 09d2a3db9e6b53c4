"""Service: import users from rows of a table, and export them."""

import pytest
from sqlalchemy import func, select

from project.core.database.session import db
from project.core.tasks.inspection import list_tasks
from project.users import service
from project.users.models import UserRole
from project.users.service import RejectedRow, define_role, export_users, import_users
from tests.concurrency import run_concurrently, separate_app
from tests.users.factories import UserFactory
from tests.users.user_count import count


def row(username, **changes):
    """Return the values of one user, in the form of a row that the import accepts."""
    plain = {'username': username, 'email': f'{username}@example.com', 'name': '', 'bio': ''}
    return {**plain, 'roles': ['member'], **changes}


class TestImportUsers:
    def test_creates_users_with_their_roles(self):
        define_role('auditor', ['users:read'])

        assert import_users([row('ada', roles=['auditor', 'member'], name='Ada'), row('eve')]) == []

        ada = service.get_user_by_login('ada')
        assert (ada.name, ada.roles) == ('Ada', ['auditor', 'member'])

    def test_rejects_invalid_rows_and_creates_the_others(self):
        UserFactory(username='taken', email='old@example.com')

        rejected = import_users([
            row('ada'), row('taken'), row('bob', email='OLD@example.com'), row('admin'),
            row('carl', roles=['emperor']), row('ada', email='a2@example.com'),
            row('dora', email='ADA@example.com'), row('emil'),
        ])  # fmt: skip

        assert rejected == [
            RejectedRow(1, 'username', 'Already taken'),
            RejectedRow(2, 'email', 'Already registered'),
            RejectedRow(3, 'username', 'This name is reserved'),
            RejectedRow(4, 'roles', 'No such role'),
            RejectedRow(5, 'username', 'Already taken'),
            RejectedRow(6, 'email', 'Already registered'),
        ]
        assert {u.username for u in export_users()} == {'taken', 'ada', 'emil'}

    def test_creates_no_user_after_an_unexpected_error(self, monkeypatch):
        def fail(*_, **__):
            raise ZeroDivisionError

        monkeypatch.setattr('project.users.service.import_export._give_roles', fail)

        with pytest.raises(ZeroDivisionError):
            import_users([row('ada')])
        assert count() == 0

    def test_creates_no_user_in_a_dry_run(self):
        UserFactory(username='taken')

        rejected = import_users([row('ada'), row('taken')], dry_run=True)

        assert [each.row for each in rejected] == [1]
        assert count() == 1
        assert list(list_tasks()) == []

    def test_creates_each_user_once_for_concurrent_imports(self, tmp_path):
        with separate_app(tmp_path) as app:
            rows = [row(f'user{number}') for number in range(200)]

            found = run_concurrently(app, *[lambda: import_users(rows)] * 2)

            assert sorted(map(len, found)) == [0, 200]
            assert count() == 200
            assert db.session.scalar(select(func.count()).select_from(UserRole)) == 200
