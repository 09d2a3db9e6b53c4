"""HTTP: deleting a user deletes the rows and files of all features."""

from io import BytesIO

import pytest

from project.core.database.session import db
from project.files.models import File, Usage
from tests.users.factories import AdminFactory, UserFactory

URL = '/api/v1/users'


@pytest.fixture
def admin(as_user):
    """A client that may do everything."""
    return as_user(AdminFactory())


def tables_that_name(user_id):
    """Return the tables in which a user's id still stands in a column that refers to users."""
    found = []
    for table in db.metadata.sorted_tables:
        for key in table.foreign_keys:
            if key.column.table.name == 'users':
                rows = db.session.execute(db.select(table).where(key.parent == user_id)).all()
                found += [table.name] * len(rows)
    return found


class TestUserDelete:
    def test_all_that_is_theirs_is_gone(self, as_user, admin):
        user = UserFactory()
        client = as_user(user)
        client.post('/api/v1/files', data={'file': (BytesIO(b'x'), 'x.txt'), 'tags': 'a,b'})
        assert {'users_roles', 'files', 'files_usage'} <= set(tables_that_name(user.id))

        response = admin.delete(f'{URL}/{user.id}')

        assert response.status_code == 200
        assert tables_that_name(user.id) == []
        assert (File.count_by_type(user.id), Usage.find(user.id)) == ([], None)
