"""HTTP: an API key of an admin can change only what its scopes allow, on any route."""

from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from sqlalchemy import select

from project.auth.models import ApiKey
from project.auth.service import create_key
from project.core.database.session import Base, atomic, db
from project.core.security.permissions import permission_descriptions
from project.core.web.endpoints.endpoint_spec import declared_methods
from project.files.service import create_link, create_upload, replace_content
from project.users.models import RoleDefinition
from tests.auth.factories import account
from tests.files.factories import FileFactory
from tests.users.factories import AdminFactory, UserFactory, principal_of

API = '/api/v1'
# Changes of counters, events and the time of the last use are not counted as effects.
IGNORED_TABLES = {'core_throttle_counters', 'auth_events'}
IGNORED_COLUMNS = {'last_used_at', 'updated_at', 'version'}


# Text, because the test runs these queries 600 times.
EFFECTS = [
    str(select(*[column for column in table.columns if column.name not in IGNORED_COLUMNS]))
    for table in Base.metadata.sorted_tables
    if table.name not in IGNORED_TABLES
]


class Cell(NamedTuple):
    """A request, and the scopes of which each allows its effect."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    allowed: frozenset[str] = frozenset()
    headers: Mapping[str, str] = MappingProxyType({})


def cell(method, path, body=None, *allowed, **headers):
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    return Cell(method, path, body, frozenset(allowed), named)


NEW = {'username': 'eve', 'email': 'eve@example.com'}
EVIL = {'email': 'eve@example.com'}

WRITE = 'files:write'
TUS = {'Tus_Resumable': '1.0.0'}
CHUNK = {**TUS, 'Upload_Offset': '0', 'Content_Type': 'application/offset+octet-stream'}

# The cells cover these features. Other features have the scopes of their endpoint specs only.
COVERED = ('users', 'auth', 'files')

# Placeholders: `{me}` is the owner of the key, `{admin}` another admin, and `{member}` an ordinary
# user.
CELLS = [
    cell('POST', '/users', NEW, 'users:write'),
    cell('POST', '/users', {**NEW, 'roles': ['admin']}),
    cell('POST', '/users', {**NEW, 'roles': ['deleters']}),
    cell('PUT', '/users/{member}', {**NEW, 'name': 'Eve'}),
    cell('PUT', '/users/{admin}', NEW),
    cell('PUT', '/users/{me}', NEW),
    cell('PATCH', '/users/{member}', {'name': 'Eve'}, 'users:write'),
    cell('PATCH', '/users/{member}', EVIL),
    cell('PATCH', '/users/{admin}', {'name': 'Eve'}),
    cell('PATCH', '/users/{admin}', EVIL),
    cell('PATCH', '/users/{me}', {'name': 'Eve'}, 'profile:write'),
    cell('PATCH', '/users/{me}', EVIL),
    cell('PATCH', '/users/me', {'name': 'Eve'}, 'profile:write'),
    cell('PATCH', '/users/me', EVIL),
    cell('DELETE', '/users/{member}', None, 'users:delete'),
    cell('DELETE', '/users/{admin}'),
    cell('DELETE', '/users/{me}'),
    cell('DELETE', '/users/me'),
    cell('PUT', '/users/{member}/roles', {'roles': ['admin']}),
    cell('PUT', '/users/{member}/roles', {'roles': ['deleters']}),
    cell('PUT', '/users/{admin}/roles', {'roles': ['member']}),
    cell('PUT', '/users/{me}/roles', {'roles': ['member', 'deleters']}),
    cell('PUT', '/users/roles/eves', {'permissions': ['roles:write']}, 'roles:write'),
    cell('PUT', '/users/roles/eves', {'permissions': ['users:write']}),
    cell('PUT', '/users/roles/deleters', {'permissions': ['roles:write']}),
    cell('DELETE', '/users/roles/deleters'),
    cell('PUT', '/users/me/avatar'),
    cell('DELETE', '/users/me/avatar'),
    cell('POST', '/users/me/exports', {}),
    cell('POST', '/auth/invitations', EVIL, 'users:invite'),
    cell('POST', '/auth/invitations', {**EVIL, 'roles': ['admin']}),
    cell('POST', '/auth/invitations', {**EVIL, 'roles': ['deleters']}),
    cell('PUT', '/auth/password', {'current_password': 'x' * 8, 'new_password': 'y' * 8}),
    cell('POST', '/auth/email-changes', {'new_email': 'eve@example.com'}),
    cell('PUT', '/auth/email-changes', {'pin': '123456'}),
    cell('POST', '/auth/totp'),
    cell('PUT', '/auth/totp', {'otp': '123456'}),
    cell('DELETE', '/auth/totp'),
    cell('POST', '/auth/recovery-codes'),
    cell('POST', '/auth/keys', {'name': 'eve', 'scopes': ['users:write']}),
    cell('DELETE', '/auth/keys/{key}'),
    cell('DELETE', '/auth/sessions'),
    cell('DELETE', '/auth/sessions/current'),
    cell('DELETE', '/auth/sessions/{uuid}'),
    cell('POST', '/auth/sessions/current/reauthentication', {'password': 'x' * 8}),
    # The bodies of uploads are JSON, because this test sends all bodies as JSON.
    cell('POST', '/files?name=a.json', {'a': 1}, WRITE),
    cell('PATCH', '/files/{file}', {'name': 'b.txt'}, WRITE),
    cell('DELETE', '/files/{file}', None, WRITE),
    cell('PUT', '/files/{file}/content', {'a': 1}, WRITE),
    cell('POST', '/files/{file}/versions/1/restore', None, WRITE),
    cell('POST', '/files/{trashed}/restore', None, WRITE),
    cell('DELETE', '/files/trash', None, WRITE),
    cell('POST', '/files/archives', {'ids': []}),
    # A share link grants read access, which a key with the scope `files:write` does not have.
    cell('POST', '/files/{file}/links', {}),
    cell('DELETE', '/files/links/{link}', None, WRITE),
    cell('POST', '/files/uploads', None, WRITE, Upload_Length='3', **TUS),
    cell('PATCH', '/files/uploads/{upload}', None, WRITE, Content_Length='0', **CHUNK),
    cell('POST', '/files/uploads/{upload}', None, WRITE, X_HTTP_Method_Override='DELETE', **TUS),
    cell('DELETE', '/files/uploads/{upload}', None, WRITE, **TUS),
]


def snapshot():
    """Return the rows of all tables, except the ignored tables and columns."""
    connection = db.session.connection()
    return [sorted(map(repr, connection.exec_driver_sql(query))) for query in EFFECTS]


@pytest.fixture
def people(app):
    """Create the owner of the API keys, another admin and a member."""
    with atomic():
        db.session.add(RoleDefinition(name='deleters', permissions=['users:delete']))
    me = account(roles=['member', 'admin'])
    return {'me': me, 'admin': AdminFactory(), 'member': UserFactory()}


@pytest.fixture
def objects(people):
    """Create the files and uploads that the requests change; return their ids.

    These are a file with two versions and a share link, a file in the trash, and an unfinished
    upload.
    """
    me = people['me']
    file, trashed = FileFactory(owner=me), FileFactory(owner=me, trashed=True)
    replace_content(me.id, file.id, BytesIO(b'The second version.'))
    link = create_link(principal_of(me), file.id)
    upload = create_upload(me.id, length=3, name='c.txt')
    return {'file': file.id, 'trashed': trashed.id, 'link': link['id'], 'upload': upload.id}


def path_of(cell, ids):
    """Return the path of a request, without its query string."""
    return API + cell.path.format(**ids).partition('?')[0]


class TestScopes:
    def test_have_a_cell_for_each_writing_route_that_is_not_public(self, app):
        expected = set()
        for rule in app.url_map.iter_rules():
            for method in declared_methods(rule) - {'GET', 'HEAD'}:
                spec = app.extensions['endpoint_specs'][rule.endpoint, method]
                if spec.allow.kind != 'public' and rule.endpoint.split('.')[1] in COVERED:
                    expected.add((method, rule.endpoint))
        adapter = app.url_map.bind('localhost')
        ids = dict.fromkeys(('me', 'admin', 'member'), 1)
        ids |= {name: uuid4() for name in ('key', 'uuid', 'file', 'trashed', 'link', 'upload')}
        covered = {
            (each.method, adapter.match(path_of(each, ids), each.method)[0]) for each in CELLS
        }

        assert covered == expected

    @pytest.mark.slow('calls each route that changes permissions with a key of each scope')
    def test_allow_only_their_own_effects(self, app, people, objects):
        owner = principal_of(people['me'])
        keys = {
            scope: create_key(owner, name='key', scopes=[scope])['key']
            for scope in permission_descriptions()
        }
        ids = {name: user.id for name, user in people.items()}
        ids |= {'key': db.session.scalar(select(ApiKey.id)), 'uuid': uuid4(), **objects}
        before, wrong, count = snapshot(), [], 0
        for each in CELLS:
            for scope, key in keys.items():
                count += 1
                db.session.remove()
                savepoint = db.engines[None].begin_nested()
                app.test_client().open(
                    API + each.path.format(**ids), method=each.method, json=each.body,
                    headers={'Authorization': f'Bearer {key}', **each.headers},
                )  # fmt: skip
                has_effect = snapshot() != before
                db.session.remove()
                savepoint.rollback()
                if has_effect != (scope in each.allowed):
                    wrong.append(
                        f'{each.method} {each.path} {each.body} with {scope}: {has_effect}'
                    )

        assert wrong == []
        assert count == len(CELLS) * len(keys)
