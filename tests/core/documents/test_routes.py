"""Tables of routes and their callers."""

from datetime import date

import pytest
from flask import Blueprint

from project.core.documents.files import all_owners
from project.core.documents.routes import authorization_result, limit_text, matrix, route_rows
from project.core.web.endpoints.access import authenticated, owner_or, public, requires
from project.core.web.endpoints.deprecation import Deprecation
from project.core.web.endpoints.endpoint import endpoint


class TestMatrix:
    def test_contains_a_row_for_every_route_and_method(self, app):
        rows = [line for line in matrix(all_owners()).splitlines() if line.startswith('| `')]
        routes = [key for key in app.extensions['endpoint_specs'] if key[1] != 'HEAD']

        assert len(rows) == len(set(rows)) >= len(routes)

    def test_contains_results_permissions_and_limits(self, app):
        table = matrix(all_owners())

        assert '| `GET /healthz` | ok | ok | ok | public | — |\n' in table
        assert '| `GET /api/v1/users` | 401 | 403 | ok | `users:read` | — |\n' in table
        assert '| `POST /api/v1/users` | 401 | 403 | ok | `users:write` | 120 an hour |\n' in table

    def test_is_sorted_by_path(self, app):
        table = matrix(all_owners()).replace('‹', '<')
        paths = [line.split('`')[1].split()[1] for line in table.splitlines()[2:]]

        assert paths == sorted(paths)


class TestRouteRows:
    def test_belong_to_the_package_of_their_view(self, app):
        owners = {row[0]: owner for owner, row in route_rows(all_owners())}

        assert owners['`GET /healthz`'] == owners['`GET /api/v1/docs`'] == 'core'
        assert owners['`GET /api/v1/users`'] == 'users'

    def test_name_the_sunset_of_a_deprecated_route(self, kernel):
        blueprint = Blueprint('boats', __name__)
        deprecation = Deprecation(since=date(2026, 12, 1), sunset=date(2027, 6, 1))
        declared = endpoint(allow=public, deprecated=deprecation)(lambda: None)
        blueprint.get('/old', endpoint='old')(declared)

        with kernel(blueprint).app_context():
            names = [row[0] for _, row in route_rows(all_owners())]

        assert '`GET /old` (deprecated, sunset 2027-06-01)' in names


class TestLimitText:
    @pytest.mark.parametrize(
        ('limit', 'text'),
        [
            (None, '—'),
            ('60/minute', '60 a minute'),
            ('10/hour', '10 an hour'),
            ('20/15 minutes', '20 in 15 minutes'),
        ],
    )
    def test_returns_words(self, limit, text):
        assert limit_text(limit) == text


class TestAuthorizationResult:
    @pytest.mark.parametrize(
        ('allow', 'anonymous', 'member', 'admin'),
        [
            (public, 'ok', 'ok', 'ok'),
            (authenticated(), '401', 'ok', 'ok'),
            (authenticated(fresh=True), '401', 'ok, freshly logged in', 'ok, freshly logged in'),
            (requires('a:b'), '401', '403', 'ok'),
            (requires('a:b', fresh=True), '401', '403', 'ok, freshly logged in'),
            (owner_or('a:b', scope='c:d'), '401', '404, own: ok', 'ok'),
        ],
    )
    def test_is_the_result_of_the_guard(self, allow, anonymous, member, admin):
        found = (
            authorization_result(allow, logged_in=False, holds=lambda _: False),
            authorization_result(allow, logged_in=True, holds=lambda _: False),
            authorization_result(allow, logged_in=True, holds=lambda _: True),
        )

        assert found == (anonymous, member, admin)
