"""HTTP: the deletion of a user deletes the rows and files of all features."""

from io import BytesIO

import pytest

from project.auth.errors import TokenNotFound
from project.auth.models import Pin
from project.auth.service import create_key, find_token_owner, log_in
from project.auth.service.credentials.pins import issue_pin
from project.core.database.session import atomic, db
from project.files.models import File, Usage
from project.files.service import create_link
from tests.auth.factories import PASSWORD, account
from tests.files.factories import FileFactory
from tests.files.file_io import read
from tests.kit.responses import data
from tests.kit.tasks import run_pending_tasks
from tests.users.factories import AdminFactory, UserFactory, principal_of

URL = '/api/v1/users'


@pytest.fixture
def admin(as_user):
    """Return a test client that is logged in as an admin."""
    return as_user(AdminFactory())


def tables_with_rows_of(user_id):
    """Return the table of each row that refers to the user by a foreign key."""
    found = []
    for table in db.metadata.sorted_tables:
        for key in table.foreign_keys:
            if key.column.table.name == 'users':
                rows = db.session.execute(db.select(table).where(key.parent == user_id)).all()
                found += [table.name] * len(rows)
    return found


class TestUserDelete:
    def test_deletes_all_rows_of_the_user(self, app, as_user, admin):
        user = UserFactory()
        client = as_user(user)
        client.post('/api/v1/files', data={'file': (BytesIO(b'x'), 'x.txt'), 'tags': 'a,b'})
        assert {'users_roles', 'files', 'files_usage'} <= set(tables_with_rows_of(user.id))

        response = admin.delete(f'{URL}/{user.id}')

        assert response.status_code == 200
        run_pending_tasks(app)
        assert tables_with_rows_of(user.id) == []
        assert (File.count_by_type(user.id), Usage.find(user.id)) == ([], None)

    def test_hides_all_data_of_the_user_immediately(self, client, as_user, admin):
        """The data is still stored: the task that erases it has not run yet."""
        user = account(username='ada', email='ada@example.com')
        login = log_in(user_or_email='ada', password=PASSWORD)
        asker = principal_of(user)
        key = create_key(asker, name='ci', scopes=['files:read'])['key']
        file = FileFactory(owner=user, content=b'hers')
        token = create_link(asker, file.id)['token']
        with atomic():
            issue_pin('password-reset', 'ada@example.com')
        assert client.get(f'/api/v1/files/shared/{token}').status_code == 200

        admin.delete(f'{URL}/{user.id}')

        for bearer in (login.token, key):
            headers = {'Authorization': f'Bearer {bearer}'}
            assert client.get(f'/api/v1/files/{file.id}', headers=headers).status_code == 401
        refresh = {'refresh_token': login.refresh_token}
        assert client.post('/api/v1/auth/sessions/refresh', json=refresh).status_code == 401
        credentials = {'user_or_email': 'ada', 'password': PASSWORD}
        assert client.post('/api/v1/auth/sessions', json=credentials).status_code == 401
        for path in (f'/files/shared/{token}', '/users/ada', '/users/ada/profile'):
            assert client.get(f'/api/v1{path}').status_code == 404
        assert admin.get(f'{URL}/{user.id}').status_code == 404
        assert admin.patch(f'{URL}/{user.id}', json={'name': 'x'}).status_code == 404
        assert admin.delete(f'{URL}/{user.id}').status_code == 404
        assert 'ada' not in {item['username'] for item in data(admin.get(URL))['items']}
        assert db.session.scalars(db.select(Pin)).all() == []
        with pytest.raises(TokenNotFound):
            find_token_owner(login.token)

    def test_frees_the_username_and_the_email_address_immediately(self, app, admin):
        user = account(username='ada', email='ada@example.com')
        FileFactory(owner=user)

        admin.delete(f'{URL}/{user.id}')
        again = account(username='ada', email='ada@example.com')
        file = FileFactory(owner=again, content=b'hers')
        run_pending_tasks(app)

        assert tables_with_rows_of(user.id) == []
        assert read(again.id, file.id) == b'hers'
        assert log_in(user_or_email='ada@example.com', password=PASSWORD)
