"""HTTP: each route accepts and rejects the callers that `docs/matrix.md` names."""

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
from project.core.cli.api_documents import documents, matrix
from project.core.clock import now
from project.core.database.session import db
from project.core.security.permissions import permission_descriptions
from project.core.web.endpoints.endpoint_spec import declared_methods
from project.users.service import disable_user
from tests.auth.factories import PASSWORD, account
from tests.separate_app import application
from tests.users.factories import AdminFactory, UserFactory, principal_of

DOCUMENT = Path(__file__).resolve().parents[2] / 'docs' / 'matrix.md'

# What the guard answers, and no handler: which key of a refusal with which status.
GUARD = {401: {'authorization'}, 403: {'permission', 'scope', 'reauthentication'}}


class MatrixRow(NamedTuple):
    """What the document says of a route: the verdict on each caller, and the scope of a key."""

    method: str
    rule: str
    nobody: str
    member: str
    admin: str
    scope: str


def rows():
    """Return the rows of the document: method, rule, and what it says of each who calls."""
    table = [line for line in DOCUMENT.read_text(encoding='utf-8').splitlines() if '`' in line]
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in table]
    found = []
    for cell in cells:
        if len(cell) == 5 and '/' in cell[0]:
            method, rule = cell[0].strip('`').split(' ')
            found.append(MatrixRow(method, rule.replace('‹', '<').replace('›', '>'), *cell[1:]))
    return found


@pytest.fixture(autouse=True)
def readiness(app, monkeypatch):
    """Return no states: the checks of /readyz would wait for the transaction of the test."""
    monkeypatch.setattr(app.extensions['readiness'], 'current', dict)


ROWS = rows()


def path_of(rule, user_id):
    """Return a path that fits a rule; where it names a user, that one."""
    named = {
        'user_id': str(user_id),
        'username': 'nobody-of-that-name',
        'filename': 'nothing.txt',
        'name': 'nothing',
        'number': '1',
        'token': 'psl_nobody',
    }
    kinds = {'uuid': str(uuid4())}
    # A name that is not known here fails: tell this test what to put there.
    return re.sub(r'<(\w+):(\w+)>', lambda part: kinds.get(part[1]) or named[part[2]], rule)


def call(client, row, user_id):
    """Call a route and return the guard's verdict: `ok`, or the status of its refusal."""
    body = {} if row.method in ('POST', 'PUT', 'PATCH') else None
    response = client.open(path_of(row.rule, user_id), method=row.method, json=body, buffered=True)
    if response.status_code >= 500:
        return str(response.status_code)
    if response.status_code == 404 and '<int:user_id>' in row.rule:
        return '404'
    refused = set(response.json['data'] or ()) if response.status_code in GUARD else set()
    return str(response.status_code) if refused & GUARD.get(response.status_code, set()) else 'ok'


def key_of(user, *scopes):
    """Return a new API key of a user's, with these scopes or all."""
    wanted = scopes or sorted(permission_descriptions())
    return create_key(principal_of(user), name='key', scopes=wanted)['key']


def bearing(app, token):
    """Return a client with a token, which the real guard looks up."""
    client = app.test_client()
    client.environ_base['HTTP_AUTHORIZATION'] = f'Bearer {token}'
    return client


def basic_auth(username, password):
    """Return the header that shows a password, which no route asks for."""
    return f'Basic {b64encode(f"{username}:{password}".encode()).decode()}'


def contradictions(verdict, wanted, rows=ROWS):
    """Return each route whose verdict is another than the wanted one, with both.

    Undoes what each call changes, so that no route sees what the one before it did.
    """
    found = []
    for row in rows:
        savepoint = db.engines[None].begin_nested()
        got, want = verdict(row), wanted(row)
        db.session.remove()
        savepoint.rollback()
        if got != want:
            found.append(f'{row.method} {row.rule}: {got}, not {want}')
    return found


def expected(verdict, *, own=False):
    """Return what a cell says of a caller who is freshly logged in."""
    verdict = verdict.replace(', freshly logged in', '')
    others, _, mine = verdict.partition(', own: ')
    return mine if own and mine else others


class TestMatrix:
    def test_is_what_the_routes_declare(self, app):
        assert DOCUMENT.read_text(encoding='utf-8') == matrix()
        assert documents()[DOCUMENT] == matrix()

    def test_has_a_row_for_every_route(self, app):
        routes = {
            (method, rule.rule)
            for rule in app.url_map.iter_rules()
            for method in declared_methods(rule) - {'HEAD'}
        }

        assert {row[:2] for row in ROWS} == routes
        assert len(ROWS) == len(routes)

    def test_nobody(self, client):
        def verdict(row):
            return call(client, row, UserFactory().id)

        assert contradictions(verdict, lambda row: expected(row.nobody)) == []

    def test_a_member(self, as_user):
        def verdict(row):
            user, other = UserFactory(), UserFactory()
            return call(as_user(user), row, other.id)

        assert contradictions(verdict, lambda row: expected(row.member)) == []

    def test_a_member_and_what_is_theirs(self, as_user):
        def verdict(row):
            user = UserFactory()
            return call(as_user(user), row, user.id)

        own = [row for row in ROWS if 'own: ok' in row.member]
        found = contradictions(verdict, lambda row: expected(row.member, own=True), own)

        assert own
        assert found == []

    def test_an_admin(self, as_user):
        def verdict(row):
            AdminFactory()  # Another one, lest they be the last.
            return call(as_user(AdminFactory()), row, UserFactory().id)

        assert contradictions(verdict, lambda row: expected(row.admin)) == []

    def test_an_admins_key_with_every_scope(self, as_user):
        def verdict(row):
            client = as_user(AdminFactory(), scopes=frozenset(permission_descriptions()))
            return call(client, row, UserFactory().id)

        def wanted(row):
            return '403' if row.scope == '—' else expected(row.admin)

        assert contradictions(verdict, wanted) == []

    def test_a_members_key_with_every_scope(self, as_user):
        def verdict(row):
            client = as_user(UserFactory(), scopes=frozenset(permission_descriptions()))
            return call(client, row, UserFactory().id)

        def wanted(row):
            return '403' if row.scope == '—' else expected(row.member)

        assert contradictions(verdict, wanted) == []

    def test_a_key_without_scopes(self, as_user):
        def verdict(row):
            client = as_user(AdminFactory(), scopes=frozenset())
            return call(client, row, UserFactory().id)

        found = contradictions(verdict, lambda row: 'ok' if row.scope == 'public' else '403')

        assert found == []

    def test_a_key_with_the_one_scope_it_needs(self, as_user):
        def verdict(row):
            of_members = row.scope.startswith(('`files', '`profile'))
            user = UserFactory() if of_members else AdminFactory()
            target = user if of_members else UserFactory()
            return call(as_user(user, scopes=frozenset([row.scope.strip('`')])), row, target.id)

        assert contradictions(verdict, lambda row: '403' if row.scope == '—' else 'ok') == []

    @pytest.mark.parametrize('credential', ['session', 'key'])
    def test_a_user_who_was_disabled(self, app, credential):
        """What they had in hand, session and key, is nobody's from then on."""
        AdminFactory()

        def verdict(row):
            user = account(roles=['member', 'admin'])
            token = (
                log_in(user_or_email=user.username, password=PASSWORD).token
                if credential == 'session'
                else key_of(user)
            )
            disable_user(user.id)
            return call(bearing(app, token), row, user.id)

        assert contradictions(verdict, lambda row: expected(row.nobody)) == []

    def test_who_has_not_verified_their_address(self, app):
        """Their login is refused, so that they have nothing to show but their password."""
        register(username='ada', email='ada@example.com', password=PASSWORD)
        with pytest.raises(EmailNotVerified):
            log_in(user_or_email='ada', password=PASSWORD)
        client = app.test_client()
        client.environ_base['HTTP_AUTHORIZATION'] = basic_auth('ada', PASSWORD)

        def verdict(row):
            return call(client, row, UserFactory().id)

        assert contradictions(verdict, lambda row: expected(row.nobody)) == []

    @pytest.mark.parametrize('held', ['the scope it needs', 'all other scopes'])
    def test_a_real_key_of_each_scope(self, app, held):
        """With the one that it needs it passes; with all others, and so with each, it does not."""
        AdminFactory()
        needs_it = held == 'the scope it needs'
        scoped = [row for row in ROWS if row.scope.strip('`') in permission_descriptions()]

        def verdict(row):
            owner = account(roles=['member', 'admin'])
            needed = {row.scope.strip('`')}
            scopes = needed if needs_it else set(permission_descriptions()) - needed
            # Users delete themselves with a fresh login only, and a key never has one.
            target = UserFactory() if row.method == 'DELETE' else owner
            return call(bearing(app, key_of(owner, *scopes)), row, target.id)

        def wanted(row):
            return 'ok' if needs_it or row.scope == 'public' else '403'

        assert scoped
        assert contradictions(verdict, wanted, scoped if needs_it else ROWS) == []

    def test_who_logged_in_long_ago(self, as_user):
        def verdict(row):
            user = UserFactory()
            client = as_user(user, authenticated_at=now() - timedelta(hours=1))
            response = client.open(path_of(row.rule, user.id), method=row.method)
            return response.status_code, set(response.json['data'])

        fresh = [row for row in ROWS if 'freshly' in row.member]
        found = contradictions(verdict, lambda row: (403, {'reauthentication'}), fresh)

        assert fresh
        assert found == []


class TestDefaultDeny:
    def test_a_route_added_after_the_start_lets_nobody_pass(self, tmp_path):
        with application(tmp_path, 'matrix') as app:
            app.view_functions['back_door'] = lambda: 'Come in.'
            app.url_map.add(Rule('/back-door', endpoint='back_door'))

            response = app.test_client().get('/back-door')

        assert response.status_code == 403
        assert response.json == {'status': 'fail', 'data': {'permission': ['Not allowed']}}
