"""HTTP: list, create, show, replace, update and delete users."""

import re
from urllib.parse import quote

import pytest

from project.users.models import User, permissions_of
from project.users.permissions import WRITE
from project.users.schemas import UserSchema
from tests.client import data, reasons
from tests.users.factories import AdminFactory, UserFactory
from tests.users.routes.protected_fields import PROTECTED

URL = '/api/v1/users'
NOBODY = 2_147_483_647


class TestUserList:
    def test_shows_users(self, admin):
        UserFactory(username='ada', email='ada@example.com')

        response = admin.get(f'{URL}?username=ada')

        [user] = data(response)['items']
        assert set(user) == set(UserSchema().fields)
        assert user['email'] == 'ada@example.com'
        assert data(response)['next'] is None
        assert 'Link' not in response.headers

    def test_rejects_members(self, as_user):
        response = as_user(UserFactory()).get(URL)

        assert response.status_code == 403
        assert set(reasons(response)) == {'permission'}

    def test_rejects_a_stranger(self, client):
        assert client.get(URL).status_code == 401

    @pytest.mark.parametrize('sort', ['id', '-username', 'created_at'])
    def test_leads_from_page_to_page(self, admin, sort):
        UserFactory.create_batch(4)
        address, walked = f'{URL}?limit=2&sort={sort}', []

        for _ in range(3):
            response = admin.get(address)
            walked += [user['id'] for user in data(response)['items']]
            link = re.match('<(.+)>; rel="next"', response.headers.get('Link', ''))
            address = link and link[1]

        assert address is None
        assert walked == [user['id'] for user in data(admin.get(f'{URL}?sort={sort}'))['items']]
        assert len(walked) == 5

    def test_gives_the_cursor_in_the_body_too(self, admin):
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
    def test_rejects_a_bad_query(self, admin, query, field):
        response = admin.get(f'{URL}?{query}')

        assert response.status_code == 422
        assert set(reasons(response)) == {field}

    def test_costs_the_same_for_one_and_for_fifty(self, admin, assert_max_queries):
        with assert_max_queries(1) as for_one:
            assert len(data(admin.get(URL))['items']) == 1
        UserFactory.create_batch(49)

        with assert_max_queries(1) as for_fifty:
            assert len(data(admin.get(URL))['items']) == 50

        assert for_one == for_fifty


class TestUserCreate:
    def test_makes_one_and_says_where(self, admin):
        body = {'username': 'Ada', 'email': 'ada@example.com', 'name': 'Ada', 'bio': 'Analyst\nand'}

        response = admin.post(URL, json=body)

        assert response.status_code == 201
        user = data(response)
        assert {name: user[name] for name in body} == {**body, 'username': 'ada'}
        assert (user['roles'], user['status'], user['version']) == (['member'], 'active', 1)
        assert response.headers['Location'] == f'{URL}/{user["id"]}'
        assert data(admin.get(response.headers['Location'])) == user

    def test_gives_roles(self, admin):
        body = {'username': 'ada', 'email': 'ada@example.com', 'roles': ['admin', 'member']}

        assert data(admin.post(URL, json=body))['roles'] == ['admin', 'member']

    def test_rejects_members(self, as_user):
        body = {'username': 'ada', 'email': 'ada@example.com'}

        assert as_user(UserFactory()).post(URL, json=body).status_code == 403

    def test_rejects_roles_beyond_the_own(self, as_user):
        clerk = as_user(UserFactory(), permissions=permissions_of(['member']) | {WRITE})
        body = {'username': 'ada', 'email': 'ada@example.com', 'roles': ['admin']}

        response = clerk.post(URL, json=body)

        assert response.status_code == 403
        assert set(reasons(response)) == {'permission'}

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
    def test_rejects_what_does_not_fit(self, admin, body, fields):
        whole = {'username': 'ada', 'email': 'ada@example.com', **body} if body else {}

        response = admin.post(URL, json=whole)

        assert response.status_code == 422
        assert set(reasons(response)) == fields

    @pytest.mark.parametrize('field', sorted(set(PROTECTED) - {'roles'}))
    def test_rejects_what_the_server_sets(self, admin, field):
        body = {'username': 'ada', 'email': 'ada@example.com', field: 1}

        response = admin.post(URL, json=body)

        assert response.status_code == 422
        assert set(reasons(response)) == {field}
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
    def test_rejects_what_somebody_has(self, admin, body, field):
        UserFactory(username='ada', email='ada@example.com')

        response = admin.post(URL, json=body)

        assert response.status_code == 409
        assert set(reasons(response)) == {field}


class TestUserShow:
    def test_shows_oneself(self, as_user):
        user = UserFactory()

        response = as_user(user).get(f'{URL}/{user.id}')

        assert data(response)['id'] == user.id
        assert response.headers['ETag'] == '"1"'

    def test_shows_anybody_to_whoever_may_read(self, admin):
        assert data(admin.get(f'{URL}/{UserFactory(username="ada").id}'))['username'] == 'ada'

    def test_looks_the_same_for_another_and_for_nobody(self, as_user):
        client = as_user(UserFactory())

        another, nobody = client.get(f'{URL}/{UserFactory().id}'), client.get(f'{URL}/{NOBODY}')

        assert another.status_code == nobody.status_code == 404
        assert reasons(another) == reasons(nobody) == {'user': ['No such user']}

    @pytest.mark.parametrize('user_id', [2_147_483_648, 9_223_372_036_854_775_808, 10**40])
    def test_knows_no_id_beyond_the_largest(self, admin, user_id):
        response = admin.get(f'{URL}/{user_id}')

        assert response.status_code == 404
        assert set(reasons(response)) == {'url'}

    def test_tells_a_reader_who_has_it_just_that(self, as_user):
        user = UserFactory()
        client = as_user(user)

        response = client.get(f'{URL}/{user.id}', headers={'If-None-Match': '"1"'})

        assert (response.status_code, response.data) == (304, b'')
        assert response.headers['ETag'] == '"1"'

    def test_shows_it_to_a_reader_of_an_older_version(self, as_user):
        user = UserFactory()

        response = as_user(user).get(f'{URL}/{user.id}', headers={'If-None-Match': '"0"'})

        assert response.status_code == 200

    def test_wants_the_scope_of_a_key(self, as_user):
        user = UserFactory()

        response = as_user(user, scopes=frozenset({'files:read'})).get(f'{URL}/{user.id}')

        assert response.status_code == 403
        assert set(reasons(response)) == {'scope'}


class TestUserReplace:
    BODY = {'username': 'new', 'email': 'new@example.com', 'name': 'New', 'bio': 'Newer'}

    def test_replaces_all_of_it(self, admin):
        user = UserFactory()

        response = admin.put(f'{URL}/{user.id}', json=self.BODY)

        shown = data(response)
        assert {name: shown[name] for name in self.BODY} == self.BODY
        assert response.headers['ETag'] == '"2"'

    def test_empties_what_was_not_sent(self, admin):
        user = UserFactory(name='Ada', bio='Analyst')

        shown = data(
            admin.put(f'{URL}/{user.id}', json={'username': 'new', 'email': 'n@example.com'})
        )

        assert (shown['name'], shown['bio']) == ('', '')

    @pytest.mark.parametrize('missing', ['username', 'email'])
    def test_wants_name_and_address(self, admin, missing):
        body = {name: value for name, value in self.BODY.items() if name != missing}

        response = admin.put(f'{URL}/{UserFactory().id}', json=body)

        assert response.status_code == 422
        assert set(reasons(response)) == {missing}

    @pytest.mark.parametrize('field', PROTECTED)
    def test_rejects_what_the_server_sets(self, admin, field):
        user = UserFactory()
        before = data(admin.get(f'{URL}/{user.id}'))

        response = admin.put(f'{URL}/{user.id}', json={**self.BODY, field: before[field]})

        assert response.status_code == 422
        assert set(reasons(response)) == {field}
        assert data(admin.get(f'{URL}/{user.id}')) == before

    def test_rejects_members_even_on_themselves(self, as_user):
        user = UserFactory()

        response = as_user(user).put(f'{URL}/{user.id}', json=self.BODY)

        assert response.status_code == 403
        assert set(reasons(response)) == {'permission'}

    def test_rejects_an_admin_to_whoever_may_less(self, as_user):
        clerk = as_user(UserFactory(), permissions=permissions_of(['member']) | {WRITE})

        response = clerk.put(f'{URL}/{AdminFactory().id}', json=self.BODY)

        assert response.status_code == 403
        assert set(reasons(response)) == {'permission'}

    def test_finds_nobody_under_a_free_id(self, admin):
        assert admin.put(f'{URL}/{NOBODY}', json=self.BODY).status_code == 404

    def test_rejects_a_version_that_is_no_more(self, admin):
        user = UserFactory()
        address = f'{URL}/{user.id}'
        admin.patch(address, json={'name': 'Countess'})

        response = admin.put(address, json=self.BODY, headers={'If-Match': '"1"'})

        assert response.status_code == 412
        assert set(reasons(response)) == {'etag'}
        assert data(admin.get(address))['name'] == 'Countess'


class TestUserUpdate:
    def test_changes_only_what_was_sent(self, as_user):
        user = UserFactory(name='Ada', bio='Analyst')

        response = as_user(user).patch(f'{URL}/{user.id}', json={'name': 'Countess'})

        assert data(response)['name'] == 'Countess'
        assert data(response)['bio'] == 'Analyst'
        assert data(as_user(user).get(f'{URL}/me'))['name'] == 'Countess'

    def test_two_changes_of_different_fields_both_hold(self, as_user):
        user = UserFactory(name='Ada', bio='')
        address, client = f'{URL}/{user.id}', as_user(user)

        client.patch(address, json={'name': 'Countess'})
        client.patch(address, json={'bio': 'Analyst'})

        shown = data(client.get(address))
        assert (shown['name'], shown['bio'], shown['version']) == ('Countess', 'Analyst', 3)

    def test_finds_nobody_but_oneself(self, as_user):
        response = as_user(UserFactory()).patch(f'{URL}/{UserFactory().id}', json={})

        assert response.status_code == 404
        assert set(reasons(response)) == {'user'}

    @pytest.mark.parametrize('field', PROTECTED)
    def test_rejects_what_the_server_sets(self, admin, field):
        user = UserFactory()
        before = data(admin.get(f'{URL}/{user.id}'))

        response = admin.patch(f'{URL}/{user.id}', json={'name': 'New', field: before[field]})

        assert response.status_code == 422
        assert set(reasons(response)) == {field}
        assert data(admin.get(f'{URL}/{user.id}')) == before

    @pytest.mark.parametrize('body', [{'nickname': 'x'}, {'password': 'x'}, {'Name': 'x'}])
    def test_rejects_a_field_it_does_not_know(self, admin, body):
        response = admin.patch(f'{URL}/{UserFactory().id}', json=body)

        assert response.status_code == 422
        assert set(reasons(response)) == set(body)

    @pytest.mark.parametrize('changes', [{'username': 'new'}, {'email': 'new@example.com'}])
    def test_rejects_what_users_may_not_change(self, as_user, changes):
        user = UserFactory()

        response = as_user(user).patch(f'{URL}/{user.id}', json=changes)

        assert response.status_code == 403
        assert set(reasons(response)) == {'permission'}

    def test_renames_for_whoever_may_write(self, admin):
        response = admin.patch(f'{URL}/{UserFactory().id}', json={'username': 'New'})

        assert data(response)['username'] == 'new'

    def test_keeps_an_admins_key_to_its_scope(self, as_user):
        user = AdminFactory()
        key = as_user(user, scopes=frozenset({'profile:write'}))

        assert data(key.patch(f'{URL}/{user.id}', json={'name': 'New'}))['name'] == 'New'
        assert key.patch(f'{URL}/{user.id}', json={'username': 'new'}).status_code == 403
        assert key.patch(f'{URL}/{UserFactory().id}', json={'name': 'x'}).status_code == 403

    @pytest.mark.parametrize('tag', ['"1"', '*', '"7", "1"'])
    def test_takes_a_version_that_is_there(self, as_user, tag):
        user = UserFactory()

        response = as_user(user).patch(
            f'{URL}/{user.id}', json={'name': 'New'}, headers={'If-Match': tag}
        )

        assert data(response)['version'] == 2
        assert response.headers['ETag'] == '"2"'

    @pytest.mark.parametrize('tag', ['"0"', '"2"', 'W/"1"', '"x"', '""', '"1'])
    def test_rejects_another_version(self, as_user, tag):
        user = UserFactory(name='Ada')
        client = as_user(user)

        response = client.patch(f'{URL}/{user.id}', json={'name': 'New'}, headers={'If-Match': tag})

        assert response.status_code == 412
        assert set(reasons(response)) == {'etag'}
        assert data(client.get(f'{URL}/me'))['name'] == 'Ada'


class TestUserDelete:
    def test_the_user_is_gone(self, as_user):
        admin, user = AdminFactory(), UserFactory()

        response = as_user(admin).delete(f'{URL}/{user.id}')

        assert (response.status_code, data(response)) == (200, None)
        assert as_user(admin).get(f'{URL}/{user.id}').status_code == 404

    def test_name_and_address_are_free_again(self, admin):
        user = UserFactory(username='ada', email='ada@example.com')
        admin.delete(f'{URL}/{user.id}')

        response = admin.post(URL, json={'username': 'ada', 'email': 'ada@example.com'})

        assert response.status_code == 201
        assert data(response)['id'] > user.id

    def test_rejects_members(self, as_user):
        response = as_user(UserFactory()).delete(f'{URL}/{UserFactory().id}')

        assert response.status_code == 403
        assert set(reasons(response)) == {'permission'}

    def test_finds_nobody_twice(self, admin):
        user = UserFactory()
        admin.delete(f'{URL}/{user.id}')

        assert admin.delete(f'{URL}/{user.id}').status_code == 404

    def test_rejects_the_last_admin(self, admin):
        [last] = data(admin.get(f'{URL}?role=admin'))['items']

        response = admin.delete(f'{URL}/{last["id"]}')

        assert response.status_code == 409
        assert set(reasons(response)) == {'user'}

    def test_rejects_another_version(self, admin):
        user = UserFactory()

        response = admin.delete(f'{URL}/{user.id}', headers={'If-Match': '"2"'})

        assert response.status_code == 412
        assert admin.delete(f'{URL}/{user.id}', headers={'If-Match': '"1"'}).status_code == 200
