"""Who may call what: every route, called as everybody, does what docs/matrix.md says."""

import re
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from werkzeug.routing import Rule

from project.auth.errors import EmailNotVerified
from project.auth.service import create_key, log_in, register
from project.core.cli.api_documents import documents, matrix
from project.core.clock import now
from project.core.security.permissions import permission_descriptions
from project.core.web.endpoints.endpoint_spec import declared_methods
from project.users.service import disable_user
from tests.auth.factories import PASSWORD, account
from tests.separate_app import application
from tests.users.factories import AdminFactory, UserFactory, principal_of

DOCUMENT = Path(__file__).resolve().parent.parent / 'docs' / 'matrix.md'

# What the guard answers, and no handler: which key of a refusal with which status.
GUARD = {401: {'authorization'}, 403: {'permission', 'scope', 'reauthentication'}}


def rows():
    """Return the rows of the document: method, rule, and what it says of each who calls."""
    table = [line for line in DOCUMENT.read_text(encoding='utf-8').splitlines() if '`' in line]
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in table]
    found = []
    for cell in cells:
        if len(cell) == 5 and '/' in cell[0]:
            method, rule = cell[0].strip('`').split(' ')
            found.append((method, rule.replace('‹', '<').replace('›', '>'), *cell[1:]))
    return found


@pytest.fixture(autouse=True)
def readiness(app, monkeypatch):
    """What /readyz would ask is in a transaction of the test's; here it has just been asked."""
    monkeypatch.setattr(app.extensions['readiness'], 'current', lambda: {'database': 'ok'})


ROWS = rows()
IDS = [f'{method} {rule}' for method, rule, *_ in ROWS]
OWN = [row for row in ROWS if 'own: ok' in row[3]]


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


def call(client, method, rule, user_id):
    """Call a route and return the guard's verdict: `ok`, or the status of its refusal."""
    body = {} if method in ('POST', 'PUT', 'PATCH') else None
    response = client.open(path_of(rule, user_id), method=method, json=body, buffered=True)
    assert response.status_code < 500
    if response.status_code == 404 and '<int:user_id>' in rule:
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

    @pytest.mark.parametrize(('method', 'rule', 'nobody', '_m', '_a', '_s'), ROWS, ids=IDS)
    def test_nobody(self, client, method, rule, nobody, _m, _a, _s):
        assert call(client, method, rule, UserFactory().id) == expected(nobody)

    @pytest.mark.parametrize(('method', 'rule', '_n', 'member', '_a', '_s'), ROWS, ids=IDS)
    def test_a_member(self, as_user, method, rule, _n, member, _a, _s):
        user, other = UserFactory(), UserFactory()

        assert call(as_user(user), method, rule, other.id) == expected(member)

    @pytest.mark.parametrize(('method', 'rule', '_n', 'member', '_a', '_s'), OWN)
    def test_a_member_and_what_is_theirs(self, as_user, method, rule, _n, member, _a, _s):
        user = UserFactory()

        assert call(as_user(user), method, rule, user.id) == expected(member, own=True)

    @pytest.mark.parametrize(('method', 'rule', '_n', '_m', 'admin', '_s'), ROWS, ids=IDS)
    def test_an_admin(self, as_user, method, rule, _n, _m, admin, _s):
        AdminFactory()  # Another one, lest they be the last.

        assert call(as_user(AdminFactory()), method, rule, UserFactory().id) == expected(admin)

    @pytest.mark.parametrize(('method', 'rule', '_n', '_m', 'admin', 'scope'), ROWS, ids=IDS)
    def test_an_admins_key_with_every_scope(self, as_user, method, rule, _n, _m, admin, scope):
        client = as_user(AdminFactory(), scopes=frozenset(permission_descriptions()))

        verdict = call(client, method, rule, UserFactory().id)

        assert verdict == ('403' if scope == '—' else expected(admin))

    @pytest.mark.parametrize(('method', 'rule', '_n', 'member', '_a', 'scope'), ROWS, ids=IDS)
    def test_a_members_key_with_every_scope(self, as_user, method, rule, _n, member, _a, scope):
        client = as_user(UserFactory(), scopes=frozenset(permission_descriptions()))

        verdict = call(client, method, rule, UserFactory().id)

        assert verdict == ('403' if scope == '—' else expected(member))

    @pytest.mark.parametrize(('method', 'rule', '_n', '_m', '_a', 'scope'), ROWS, ids=IDS)
    def test_a_key_without_scopes(self, as_user, method, rule, _n, _m, _a, scope):
        client = as_user(AdminFactory(), scopes=frozenset())

        verdict = call(client, method, rule, UserFactory().id)

        assert verdict == ('ok' if scope == 'public' else '403')

    @pytest.mark.parametrize(('method', 'rule', '_n', '_m', '_a', 'scope'), ROWS, ids=IDS)
    def test_a_key_with_the_one_scope_it_needs(self, as_user, method, rule, _n, _m, _a, scope):
        user = UserFactory() if scope.startswith(('`files', '`profile')) else AdminFactory()
        client = as_user(user, scopes=frozenset([scope.strip('`')]))

        verdict = call(client, method, rule, user.id)

        assert verdict == ('403' if scope == '—' else 'ok')

    @pytest.mark.parametrize(('method', 'rule', 'nobody', '_m', '_a', '_s'), ROWS, ids=IDS)
    def test_a_user_who_was_disabled(self, app, method, rule, nobody, _m, _a, _s):
        """What they had in hand, session and key, is nobody's from then on."""
        user = account(roles=['member', 'admin'])
        AdminFactory()
        tokens = [log_in(user_or_email=user.username, password=PASSWORD).token, key_of(user)]
        disable_user(user.id)

        for token in tokens:
            verdict = call(bearing(app, token), method, rule, user.id)
            assert verdict == expected(nobody)

    @pytest.mark.parametrize(('method', 'rule', 'nobody', '_m', '_a', '_s'), ROWS, ids=IDS)
    def test_who_has_not_verified_their_address(self, app, method, rule, nobody, _m, _a, _s):
        """Their login is refused, so that they have nothing to show but their password."""
        register(username='ada', email='ada@example.com', password=PASSWORD)
        with pytest.raises(EmailNotVerified):
            log_in(user_or_email='ada', password=PASSWORD)
        client = app.test_client()
        client.environ_base['HTTP_AUTHORIZATION'] = basic_auth('ada', PASSWORD)

        assert call(client, method, rule, UserFactory().id) == expected(nobody)

    @pytest.mark.parametrize(('method', 'rule', '_n', '_m', '_a', 'scope'), ROWS, ids=IDS)
    def test_a_real_key_of_each_scope(self, app, method, rule, _n, _m, _a, scope):
        """With the one that it needs it passes; with all others, and so with each, it does not."""
        AdminFactory()
        needed = {scope.strip('`')} & set(permission_descriptions())
        for held in filter(None, (needed, set(permission_descriptions()) - needed)):
            owner = account(roles=['member', 'admin'])
            verdict = call(bearing(app, key_of(owner, *held)), method, rule, owner.id)
            assert verdict == ('ok' if scope == 'public' or held == needed else '403')

    @pytest.mark.parametrize(
        ('method', 'rule', '_n', '_m', '_a', '_s'), [row for row in ROWS if 'freshly' in row[3]]
    )
    def test_who_logged_in_long_ago(self, as_user, method, rule, _n, _m, _a, _s):
        user = UserFactory()
        client = as_user(user, authenticated_at=now() - timedelta(hours=1))

        response = client.open(path_of(rule, user.id), method=method)

        assert (response.status_code, set(response.json['data'])) == (403, {'reauthentication'})


class TestDefaultDeny:
    def test_a_route_added_after_the_start_lets_nobody_pass(self, tmp_path):
        with application(tmp_path, 'matrix') as app:
            app.view_functions['back_door'] = lambda: 'Come in.'
            app.url_map.add(Rule('/back-door', endpoint='back_door'))

            response = app.test_client().get('/back-door')

        assert response.status_code == 403
        assert response.json == {'status': 'fail', 'data': {'permission': ['Not allowed']}}
