"""HTTP: list, create, show, replace, update and delete users."""

import re
from urllib.parse import quote

import pytest

from project.users.models import User, permissions_of
from project.users.permissions import WRITE
from project.users.schemas import UserSchema
from tests.kit.responses import data, fails_with
from tests.users.factories import AdminFactory, RoleDefinitionFactory, UserFactory, user_etag
from tests.users.routes.protected_fields import PROTECTED

URL = '/api/v1/users'
NOBODY = 2_147_483_647


class TestUserList:
    def test_returns_users(self, admin):
        UserFactory(username='ada', email='ada@example.com')

        response = admin.get(f'{URL}?username=ada')

        [user] = data(response)['items']
        assert set(user) == set(UserSchema().fields)
        assert user['email'] == 'ada@example.com'
        assert data(response)['next'] is None
        assert 'Link' not in response.headers

    def test_rejects_members(self, as_user):
        response = as_user().get(URL)

        fails_with(response, 'permission', status=403)

    def test_requires_a_login(self, client):
        assert client.get(URL).status_code == 401

    @pytest.mark.parametrize('sort', ['id', '-username', 'created_at'])
    def test_returns_a_link_to_the_next_page(self, admin, sort):
        UserFactory.create_batch(4)
        url, walked = f'{URL}?limit=2&sort={sort}', []

        for _ in range(3):
            response = admin.get(url)
            walked += [user['id'] for user in data(response)['items']]
            link = re.match('<(.+)>; rel="next"', response.headers.get('Link', ''))
            url = link and link[1]

        assert url is None
        assert walked == [user['id'] for user in data(admin.get(f'{URL}?sort={sort}'))['items']]
        assert len(walked) == 5

    def test_returns_the_cursor_in_the_body_too(self, admin):
        UserFactory.create_batch(2)
        first = data(admin.get(f'{URL}?limit=2'))

        second = data(admin.get(f'{URL}?limit=2&cursor={quote(first["next"])}'))

        assert len(second['items']) == 1
        assert second['next'] is None

    @pytest.mark.parametrize(
        ('query', 'field'),
        [
            ('limit=0', 'limit'), ('limit=201', 'limit'), ('limit=x', 'limit'),
            ('limit=1_0', 'limit'), ('limit=', 'limit'), ('limit=1&limit=2', 'limit'),
            ('sort=email', 'sort'), ('sort=--id', 'sort'), ('sort=password_hash', 'sort'),
            ('cursor=nonsense', 'cursor'), ('cursor=', 'cursor'), ('role=1&role=2', 'role'),
            ('status=gone', 'status'), ('page=1', 'page'), ('offset=1', 'offset'),
            ('password_hash=x', 'password_hash'), ('username[]=ada', 'username[]'),
        ],
    )  # fmt: skip
    def test_rejects_an_invalid_query(self, admin, query, field):
        response = admin.get(f'{URL}?{query}')

        fails_with(response, field)

    def test_executes_one_statement(self, admin, queries):
        with queries(max=1):
            assert len(data(admin.get(URL))['items']) == 1


class TestUserCreate:
    def test_creates_a_user_and_returns_the_location(self, admin):
        body = {'username': 'Ada', 'email': 'ada@example.com', 'name': 'Ada', 'bio': 'Analyst\nand'}

        response = admin.post(URL, json=body)

        assert response.status_code == 201
        user = data(response)
        assert {name: user[name] for name in body} == {**body, 'username': 'ada'}
        assert (user['roles'], user['status'], user['version']) == (['member'], 'active', 1)
        assert response.headers['Location'] == f'{URL}/{user["id"]}'
        assert data(admin.get(response.headers['Location'])) == user

    def test_creates_one_user_for_a_repeated_request(self, admin):
        body = {'username': 'ada', 'email': 'ada@example.com'}

        first, second = (
            admin.post(URL, json=body, headers={'Idempotency-Key': 'one'}) for _ in range(2)
        )

        assert data(second) == data(first)
        assert second.headers['Location'] == first.headers['Location']
        assert second.headers['ETag'] == first.headers['ETag']

    def test_assigns_roles(self, admin):
        body = {'username': 'ada', 'email': 'ada@example.com', 'roles': ['admin', 'member']}

        assert data(admin.post(URL, json=body))['roles'] == ['admin', 'member']

    def test_rejects_members(self, as_user):
        body = {'username': 'ada', 'email': 'ada@example.com'}

        assert as_user().post(URL, json=body).status_code == 403

    def test_rejects_roles_beyond_those_of_the_caller(self, as_user):
        clerk = as_user(UserFactory(), permissions=permissions_of(['member']) | {WRITE})
        body = {'username': 'ada', 'email': 'ada@example.com', 'roles': ['admin']}

        response = clerk.post(URL, json=body)

        fails_with(response, 'permission', status=403)

    @pytest.mark.parametrize(
        ('body', 'fields'),
        [
            ({}, {'username', 'email'}),
            ({'username': 'x'}, {'username'}),
            ({'username': '1ab'}, {'username'}),
            ({'username': 'me'}, {'username'}),
            ({'username': 'Roles'}, {'username'}),
            ({'email': 'nobody'}, {'email'}),
            ({'email': ['ada@example.com']}, {'email'}),
            ({'name': 'x' * 81}, {'name'}),
            ({'name': 'two\nlines'}, {'name'}),
            ({'name': None}, {'name'}),
            ({'bio': 'x' * 1001}, {'bio'}),
            ({'roles': []}, {'roles'}),
            ({'roles': ['emperor']}, {'roles'}),
            ({'roles': 'admin'}, {'roles'}),
            ({'password': 'correct horse battery'}, {'password'}),
        ],
    )
    def test_rejects_invalid_values(self, admin, body, fields):
        whole = {'username': 'ada', 'email': 'ada@example.com', **body} if body else {}

        response = admin.post(URL, json=whole)

        fails_with(response, *fields)

    @pytest.mark.parametrize('field', sorted(set(PROTECTED) - {'roles'}))
    def test_rejects_fields_that_only_the_service_sets(self, admin, field):
        body = {'username': 'ada', 'email': 'ada@example.com', field: 1}

        response = admin.post(URL, json=body)

        fails_with(response, field)
        assert User.find_by_username('ada') is None

    @pytest.mark.parametrize(
        ('body', 'field'),
        [
            ({'username': 'ADA', 'email': 'new@example.com'}, 'username'),
            ({'username': 'bob', 'email': 'ADA@Example.com'}, 'email'),
            ({'username': 'bob', 'email': '\N{FULLWIDTH LATIN SMALL LETTER A}da@example.com'},
             'email'),
        ],
    )  # fmt: skip
    def test_rejects_a_taken_username_or_email_address(self, admin, body, field):
        UserFactory(username='ada', email='ada@example.com')

        response = admin.post(URL, json=body)

        fails_with(response, field, status=409)


class TestUserShow:
    def test_returns_the_own_user(self, as_user):
        user = UserFactory()

        response = as_user(user).get(f'{URL}/{user.id}')

        assert data(response)['id'] == user.id
        assert response.headers['ETag'] == user_etag(user)

    def test_returns_any_user_to_a_caller_with_the_permission(self, admin):
        assert data(admin.get(f'{URL}/{UserFactory(username="ada").id}'))['username'] == 'ada'

    def test_returns_the_same_for_another_and_an_unknown_user(self, as_user):
        client = as_user()

        another, nobody = client.get(f'{URL}/{UserFactory().id}'), client.get(f'{URL}/{NOBODY}')

        for response in (another, nobody):
            fails_with(response, 'user', status=404, reason='No such user')

    @pytest.mark.parametrize('user_id', [2_147_483_648, 9_223_372_036_854_775_808, 10**40])
    def test_returns_404_for_an_id_above_the_maximum(self, admin, user_id):
        response = admin.get(f'{URL}/{user_id}')

        fails_with(response, 'url', status=404)

    def test_returns_304_for_a_current_etag(self, as_user):
        user = UserFactory()
        client = as_user(user)

        response = client.get(f'{URL}/{user.id}', headers={'If-None-Match': user_etag(user)})

        assert (response.status_code, response.data) == (304, b'')
        assert response.headers['ETag'] == user_etag(user)

    def test_returns_200_for_an_older_etag(self, as_user):
        user = UserFactory()

        older = {'If-None-Match': user_etag(user, 9)}

        response = as_user(user).get(f'{URL}/{user.id}', headers=older)

        assert response.status_code == 200

    def test_requires_the_scope_of_an_api_key(self, as_key):
        user = UserFactory()

        response = as_key(user, scopes={'users:write'}).get(f'{URL}/{user.id}')

        fails_with(response, 'scope', status=403)


class TestUserReplace:
    BODY = {'username': 'new', 'email': 'new@example.com', 'name': 'New', 'bio': 'Newer'}

    def test_replaces_all_fields(self, admin):
        user = UserFactory()

        response = admin.put(f'{URL}/{user.id}', json=self.BODY)

        shown = data(response)
        assert {name: shown[name] for name in self.BODY} == self.BODY
        assert response.headers['ETag'] == user_etag(user, 2)

    def test_empties_fields_that_were_not_sent(self, admin):
        user = UserFactory(name='Ada', bio='Analyst')

        shown = data(
            admin.put(f'{URL}/{user.id}', json={'username': 'new', 'email': 'n@example.com'})
        )

        assert (shown['name'], shown['bio']) == ('', '')

    @pytest.mark.parametrize('missing', ['username', 'email'])
    def test_requires_username_and_email_address(self, admin, missing):
        body = {name: value for name, value in self.BODY.items() if name != missing}

        response = admin.put(f'{URL}/{UserFactory().id}', json=body)

        fails_with(response, missing)

    @pytest.mark.parametrize('field', PROTECTED)
    def test_rejects_fields_that_only_the_service_sets(self, admin, field):
        user = UserFactory()
        before = data(admin.get(f'{URL}/{user.id}'))

        response = admin.put(f'{URL}/{user.id}', json={**self.BODY, field: before[field]})

        fails_with(response, field)
        assert data(admin.get(f'{URL}/{user.id}')) == before

    def test_rejects_members_for_their_own_user(self, as_user):
        user = UserFactory()

        response = as_user(user).put(f'{URL}/{user.id}', json=self.BODY)

        fails_with(response, 'permission', status=403)

    def test_rejects_a_change_of_a_user_with_more_permissions(self, as_user):
        clerk = as_user(UserFactory(), permissions=permissions_of(['member']) | {WRITE})

        response = clerk.put(f'{URL}/{AdminFactory().id}', json=self.BODY)

        fails_with(response, 'permission', status=403)

    def test_returns_404_for_an_unknown_id(self, admin):
        assert admin.put(f'{URL}/{NOBODY}', json=self.BODY).status_code == 404

    def test_rejects_an_outdated_version(self, admin):
        user = UserFactory()
        url = f'{URL}/{user.id}'
        admin.patch(url, json={'name': 'Countess'})

        response = admin.put(url, json=self.BODY, headers={'If-Match': '"1"'})

        fails_with(response, 'etag', status=412)
        assert data(admin.get(url))['name'] == 'Countess'


class TestUserUpdate:
    def test_changes_only_the_sent_fields(self, as_user):
        user = UserFactory(name='Ada', bio='Analyst')

        response = as_user(user).patch(f'{URL}/{user.id}', json={'name': 'Countess'})

        assert data(response)['name'] == 'Countess'
        assert data(response)['bio'] == 'Analyst'
        assert data(as_user(user).get(f'{URL}/me'))['name'] == 'Countess'

    def test_keeps_changes_of_different_fields(self, as_user):
        user = UserFactory(name='Ada', bio='')
        url, client = f'{URL}/{user.id}', as_user(user)

        client.patch(url, json={'name': 'Countess'})
        client.patch(url, json={'bio': 'Analyst'})

        shown = data(client.get(url))
        assert (shown['name'], shown['bio'], shown['version']) == ('Countess', 'Analyst', 3)

    def test_returns_404_for_another_user(self, as_user):
        response = as_user().patch(f'{URL}/{UserFactory().id}', json={})

        fails_with(response, 'user', status=404)

    @pytest.mark.parametrize('field', PROTECTED)
    def test_rejects_fields_that_only_the_service_sets(self, admin, field):
        user = UserFactory()
        before = data(admin.get(f'{URL}/{user.id}'))

        response = admin.patch(f'{URL}/{user.id}', json={'name': 'New', field: before[field]})

        fails_with(response, field)
        assert data(admin.get(f'{URL}/{user.id}')) == before

    @pytest.mark.parametrize('body', [{'nickname': 'x'}, {'password': 'x'}, {'Name': 'x'}])
    def test_rejects_an_unknown_field(self, admin, body):
        response = admin.patch(f'{URL}/{UserFactory().id}', json=body)

        fails_with(response, *body)

    @pytest.mark.parametrize('changes', [{'username': 'new'}, {'email': 'new@example.com'}])
    def test_rejects_fields_that_users_may_not_change(self, as_user, changes):
        user = UserFactory()

        response = as_user(user).patch(f'{URL}/{user.id}', json=changes)

        fails_with(response, 'permission', status=403)

    def test_changes_the_username_with_the_permission(self, admin):
        response = admin.patch(f'{URL}/{UserFactory().id}', json={'username': 'New'})

        assert data(response)['username'] == 'new'

    def test_limits_the_api_key_of_an_admin_to_its_scopes(self, as_key):
        user = AdminFactory()
        key = as_key(user, scopes={'profile:write'})

        assert data(key.patch(f'{URL}/{user.id}', json={'name': 'New'}))['name'] == 'New'
        assert key.patch(f'{URL}/{user.id}', json={'username': 'new'}).status_code == 403
        assert key.patch(f'{URL}/{UserFactory().id}', json={'name': 'x'}).status_code == 403

    @pytest.mark.parametrize('tags', ['{tag}', '*', '"7", {tag}'])
    def test_accepts_the_current_version(self, as_user, tags):
        user = UserFactory()

        response = as_user(user).patch(
            f'{URL}/{user.id}', json={'name': 'New'},
            headers={'If-Match': tags.format(tag=user_etag(user))},
        )  # fmt: skip

        assert data(response)['version'] == 2
        assert response.headers['ETag'] == user_etag(user, 2)

    def test_rejects_the_etag_of_another_user_of_the_same_url(self, as_user):
        ada, grace = UserFactory(), UserFactory()

        response = as_user(grace).patch(
            f'{URL}/me', json={'name': 'New'}, headers={'If-Match': user_etag(ada)}
        )

        fails_with(response, 'etag', status=412)

    def test_rejects_an_etag_from_before_the_deletion_of_a_role(self, admin):
        role = RoleDefinitionFactory().name
        user = UserFactory(roles=['member', role])
        url, before = f'{URL}/{user.id}', {'If-Match': user_etag(user)}
        admin.delete(f'{URL}/roles/{role}')

        response = admin.patch(url, json={'name': 'New'}, headers=before)

        fails_with(response, 'etag', status=412)
        assert admin.get(url, headers={'If-None-Match': before['If-Match']}).status_code == 200

    @pytest.mark.parametrize('tag', ['"0"', '"2"', 'W/"1"', '"x"', '""', '"1'])
    def test_rejects_another_version(self, as_user, tag):
        user = UserFactory(name='Ada')
        client = as_user(user)

        response = client.patch(f'{URL}/{user.id}', json={'name': 'New'}, headers={'If-Match': tag})

        fails_with(response, 'etag', status=412)
        assert data(client.get(f'{URL}/me'))['name'] == 'Ada'


class TestUserDelete:
    def test_deletes_the_user(self, as_user):
        admin, user = AdminFactory(), UserFactory()

        response = as_user(admin).delete(f'{URL}/{user.id}')

        assert (response.status_code, data(response)) == (200, None)
        assert as_user(admin).get(f'{URL}/{user.id}').status_code == 404

    def test_frees_the_username_and_the_email_address(self, admin):
        user = UserFactory(username='ada', email='ada@example.com')
        admin.delete(f'{URL}/{user.id}')

        response = admin.post(URL, json={'username': 'ada', 'email': 'ada@example.com'})

        assert response.status_code == 201
        assert data(response)['id'] > user.id

    def test_rejects_members(self, as_user):
        response = as_user().delete(f'{URL}/{UserFactory().id}')

        fails_with(response, 'permission', status=403)

    def test_returns_404_for_a_second_request(self, admin):
        user = UserFactory()
        admin.delete(f'{URL}/{user.id}')

        assert admin.delete(f'{URL}/{user.id}').status_code == 404

    def test_rejects_the_last_admin(self, admin):
        [last] = data(admin.get(f'{URL}?role=admin'))['items']

        response = admin.delete(f'{URL}/{last["id"]}')

        fails_with(response, 'user', status=409)

    def test_rejects_another_version(self, admin):
        user = UserFactory()

        response = admin.delete(f'{URL}/{user.id}', headers={'If-Match': user_etag(user, 2)})

        assert response.status_code == 412
        current = {'If-Match': user_etag(user)}
        assert admin.delete(f'{URL}/{user.id}', headers=current).status_code == 200
