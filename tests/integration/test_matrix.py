"""HTTP: docs/features lists which callers each route accepts; the guard decides the same."""

import re
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
from werkzeug.routing import Rule

from project.auth.errors import EmailNotVerified
from project.auth.service import create_key, log_in, register
from project.core.clock import now
from project.core.database.session import db
from project.core.security.permissions import permission_descriptions
from project.core.web.endpoints.endpoint_spec import declared_methods
from project.users.service import disable_user
from tests.auth.factories import PASSWORD, account
from tests.kit.clients import authorized_client, bearer_client
from tests.kit.responses import reasons
from tests.separate_app import application
from tests.users.factories import AdminFactory, UserFactory, principal_of

PAGES = Path(__file__).resolve().parents[2] / 'docs' / 'features'

# Error keys that only the guard uses, by status. Handlers use other keys.
GUARD = {401: {'authorization'}, 403: {'permission', 'scope', 'reauthentication'}}


class MatrixRow(NamedTuple):
    """A row of a page: a route, its verdicts, the scope that an API key needs, and the limit.

    A verdict is `ok` or an error status, for each kind of caller.
    """

    method: str
    rule: str
    nobody: str
    member: str
    admin: str
    scope: str
    limit: str


def rows():
    """Return the rows of the pages of all features."""
    found = []
    for page in sorted(PAGES.glob('*.md')):
        lines = re.findall(
            r'^\| `([A-Z]+) (/\S*)` \|(.+)\|$', page.read_text('utf-8'), re.MULTILINE
        )
        for method, rule, cells in lines:
            rule = rule.replace('‹', '<').replace('›', '>')
            found.append(MatrixRow(method, rule, *map(str.strip, cells.split('|'))))
    return found


@pytest.fixture(autouse=True)
def readiness(app, monkeypatch):
    """Disable the health checks of /readyz, which would wait for the test's transaction."""
    monkeypatch.setattr(app.extensions['readiness'], 'current', dict)


@pytest.fixture
def other_admin():
    """A second admin: the last admin cannot be deleted."""
    return AdminFactory()


ROWS = rows()


def path_of(rule, user_id):
    """Return a path that matches a URL rule, with this user as its argument."""
    named = {
        'user_id': str(user_id),
        'username': 'nobody-of-that-name',
        'filename': 'nothing.txt',
        'name': 'nothing',
        'number': '1',
        'token': 'psl_nobody',
    }
    kinds = {'uuid': str(uuid4())}
    # If a KeyError occurs here, add a value for the new argument above.
    return re.sub(r'<(\w+):(\w+)>', lambda part: kinds.get(part[1]) or named[part[2]], rule)


def call(client, row, user_id):
    """Call a route and return the verdict of the guard: `ok`, or its error status."""
    body = {} if row.method in ('POST', 'PUT', 'PATCH') else None
    response = client.open(path_of(row.rule, user_id), method=row.method, json=body, buffered=True)
    if response.status_code >= 500:
        return str(response.status_code)
    if response.status_code == 404 and '<int:user_id>' in row.rule:
        return '404'
    fields = set(reasons(response)) if response.status_code in GUARD else set()
    return str(response.status_code) if fields & GUARD.get(response.status_code, set()) else 'ok'


def key_of(user, *scopes):
    """Return a new API key of a user, by default with all scopes."""
    wanted = scopes or sorted(permission_descriptions())
    return create_key(principal_of(user), name='key', scopes=wanted)['key']


def basic_auth(username, password):
    """Return an `Authorization` header with a password; no route accepts it."""
    return f'Basic {b64encode(f"{username}:{password}".encode()).decode()}'


def contradictions(verdict, wanted, rows=ROWS):
    """Return the routes whose verdict is not the wanted one, with both verdicts.

    Each call is rolled back, so that it does not affect the next one.
    """
    found = []
    # Close the session: its savepoint would otherwise be inside the first savepoint below.
    db.session.remove()
    for row in rows:
        savepoint = db.engines[None].begin_nested()
        got, want = verdict(row), wanted(row)
        db.session.remove()
        savepoint.rollback()
        if got != want:
            found.append(f'{row.method} {row.rule}: {got}, not {want}')
    return found


def expected(verdict, *, own=False):
    """Return the verdict in a table cell, for a caller with a fresh login.

    :param own: whether the caller calls the route for the own user.
    """
    verdict = verdict.replace(', freshly logged in', '')
    others, _, for_own = verdict.partition(', own: ')
    return for_own if own and for_own else others


class TestMatrix:
    def test_has_a_row_for_every_route(self, app):
        routes = {
            (method, rule.rule)
            for rule in app.url_map.iter_rules()
            for method in declared_methods(rule) - {'HEAD'}
        }

        assert {row[:2] for row in ROWS} == routes
        assert len(ROWS) == len(routes)

    def test_agrees_without_a_credential(self, client):
        user = UserFactory()

        found = contradictions(
            lambda row: call(client, row, user.id), lambda row: expected(row.nobody)
        )

        assert found == []

    def test_agrees_for_a_member(self, as_user):
        client, other = as_user(), UserFactory()

        found = contradictions(
            lambda row: call(client, row, other.id), lambda row: expected(row.member)
        )

        assert found == []

    def test_agrees_for_the_data_of_the_member(self, as_user):
        user = UserFactory()
        client = as_user(user)

        own = [row for row in ROWS if 'own: ok' in row.member]
        found = contradictions(
            lambda row: call(client, row, user.id), lambda row: expected(row.member, own=True), own
        )

        assert own
        assert found == []

    def test_agrees_for_an_admin(self, as_user, other_admin):
        client, user = as_user(AdminFactory()), UserFactory()

        found = contradictions(
            lambda row: call(client, row, user.id), lambda row: expected(row.admin)
        )

        assert found == []

    def test_agrees_for_the_key_of_an_admin_with_every_scope(self, as_key):
        client = as_key(AdminFactory(), scopes=permission_descriptions())
        user = UserFactory()

        def wanted(row):
            return '403' if row.scope == '—' else expected(row.admin)

        assert contradictions(lambda row: call(client, row, user.id), wanted) == []

    def test_agrees_for_the_key_of_a_member_with_every_scope(self, as_key):
        client = as_key(scopes=permission_descriptions())
        user = UserFactory()

        def wanted(row):
            return '403' if row.scope == '—' else expected(row.member)

        assert contradictions(lambda row: call(client, row, user.id), wanted) == []

    def test_agrees_for_a_key_without_scopes(self, as_key):
        client, user = as_key(AdminFactory(), scopes=()), UserFactory()

        found = contradictions(
            lambda row: call(client, row, user.id),
            lambda row: 'ok' if row.scope == 'public' else '403',
        )

        assert found == []

    def test_agrees_for_a_key_with_the_needed_scope_only(self, as_key):
        member, admin, user = UserFactory(), AdminFactory(), UserFactory()

        def verdict(row):
            of_members = 'ok' in row.member
            owner = member if of_members else admin
            client = as_key(owner, scopes={row.scope.strip('`')} & permission_descriptions().keys())
            return call(client, row, (member if of_members else user).id)

        assert contradictions(verdict, lambda row: '403' if row.scope == '—' else 'ok') == []

    @pytest.mark.parametrize('credential', ['session', 'key'])
    def test_treats_a_disabled_user_as_one_without_a_credential(self, app, other_admin, credential):
        user = account(roles=['member', 'admin'])
        token = (
            log_in(user_or_email=user.username, password=PASSWORD).token
            if credential == 'session'
            else key_of(user)
        )
        disable_user(user.id)
        client = bearer_client(app, token)

        found = contradictions(
            lambda row: call(client, row, user.id), lambda row: expected(row.nobody)
        )

        assert found == []

    def test_treats_an_unverified_user_as_one_without_a_credential(self, app):
        """The user cannot log in, so the password is the only credential the user has."""
        register(username='ada', email='ada@example.com', password=PASSWORD)
        with pytest.raises(EmailNotVerified):
            log_in(user_or_email='ada', password=PASSWORD)
        user = UserFactory()
        client = authorized_client(app, basic_auth('ada', PASSWORD))

        found = contradictions(
            lambda row: call(client, row, user.id), lambda row: expected(row.nobody)
        )

        assert found == []

    @pytest.mark.parametrize('held', ['the needed scope', 'all other scopes'])
    def test_agrees_for_stored_keys_of_each_scope(self, app, other_admin, held):
        owner, user = account(roles=['member', 'admin']), UserFactory()
        has_needed = held == 'the needed scope'
        scoped = [row for row in ROWS if row.scope.strip('`') in permission_descriptions()]
        rows = scoped if has_needed else ROWS
        every = set(permission_descriptions())
        scopes = {row.scope: {row.scope.strip('`')} for row in rows}
        if not has_needed:
            scopes = {scope: every - needed for scope, needed in scopes.items()}
        # All routes of a scope can use the same key, because each call is rolled back.
        clients = {
            scope: bearer_client(app, key_of(owner, *held)) for scope, held in scopes.items()
        }

        def verdict(row):
            # Only a fresh login can delete the own user, and an API key has no fresh login.
            target = user if row.method == 'DELETE' else owner
            return call(clients[row.scope], row, target.id)

        def wanted(row):
            return 'ok' if has_needed or row.scope == 'public' else '403'

        assert scoped
        assert contradictions(verdict, wanted, rows) == []

    def test_needs_a_fresh_login_for_some_routes(self, as_user):
        user = UserFactory()
        client = as_user(user, authenticated_at=now() - timedelta(hours=1))

        def verdict(row):
            response = client.open(path_of(row.rule, user.id), method=row.method)
            return response.status_code, set(reasons(response))

        fresh = [row for row in ROWS if 'freshly' in row.member]
        found = contradictions(verdict, lambda row: (403, {'reauthentication'}), fresh)

        assert fresh
        assert found == []


class TestDefaultDeny:
    def test_rejects_all_callers_of_a_route_without_a_spec(self, tmp_path):
        with application(tmp_path, 'matrix') as app:
            app.view_functions['back_door'] = lambda: 'Come in.'
            app.url_map.add(Rule('/back-door', endpoint='back_door'))

            response = app.test_client().get('/back-door')

        assert response.status_code == 403
        assert response.json == {'status': 'fail', 'data': {'permission': ['Not allowed']}}
