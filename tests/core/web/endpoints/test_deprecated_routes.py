"""Deprecated routes: their response headers, their checks at the start, and the counted calls."""

from datetime import UTC, date, datetime

import pytest
from flask import Blueprint, Response
from flask.views import MethodView

from project.core.errors import Conflict, TooManyRequests
from project.core.web.endpoints.access import authenticated, public
from project.core.web.endpoints.deprecated_routes import (
    BUFFER,
    DeprecationInvalid,
    _add_headers,
    deprecations,
)
from project.core.web.endpoints.deprecation import Deprecation
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.large_responses import CLAIM_RESPONSE, LARGE_RESPONSE_BYTES
from project.core.web.responses.jsend import api_success
from tests.core.apps import bearer, principal

SINCE, SUNSET = date(2026, 12, 1), date(2027, 6, 1)
HEADERS = {
    'Deprecation': f'@{int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())}',
    'Sunset': 'Tue, 01 Jun 2027 00:00:00 GMT',
}


# The id of a boat with a large response.
LARGE = 99


class BoatSunk(Conflict):
    field = 'boat'


def boats(allow=public, **changes):
    """Return a blueprint with a deprecated route `/boats/<boat_id>/old` and its successor."""
    known = {'since': SINCE, 'sunset': SUNSET, 'successor': 'boats.boat_show'}
    blueprint = Blueprint('boats', __name__, url_prefix='/boats')

    @blueprint.get('/<int:boat_id>')
    @endpoint(allow=public)
    def boat_show(boat_id):
        """Show a boat."""

    @blueprint.get('/<int:boat_id>/old')
    @endpoint(
        allow=allow,
        errors=[BoatSunk, TooManyRequests],
        deprecated=Deprecation(**{**known, **changes}),
    )
    def boat_show_old(boat_id):
        """Show a boat."""
        if boat_id == 0:
            raise BoatSunk
        return Response(b'x' * LARGE_RESPONSE_BYTES * 2) if boat_id == LARGE else None

    return blueprint


@pytest.fixture
def old_boats(kernel):
    """Return an application with a deprecated route and its successor."""
    return kernel(boats())


def counts(app):
    """Return the counts of the process, by route, user, key and agent."""
    found = BUFFER.of(app)._counts
    return {(c.route, c.user_id, c.key_id, c.agent): n for c, (n, _) in found.items()}


class TestAnnounceDeprecation:
    @pytest.mark.parametrize(('boat', 'code'), [(7, 200), (0, 409)])
    def test_adds_headers_to_successes_and_errors(self, old_boats, boat, code):
        response = old_boats.test_client().get(f'/boats/{boat}/old')

        assert response.status_code == code
        assert {name: response.headers[name] for name in HEADERS} == HEADERS
        assert response.headers.getlist('Link') == [f'</boats/{boat}>; rel="successor-version"']

    def test_adds_headers_to_responses_of_the_guard(self, kernel):
        response = kernel(boats(authenticated())).test_client().get('/boats/7/old')

        assert response.status_code == 401
        assert response.headers['Sunset'] == HEADERS['Sunset']

    def test_adds_headers_during_maintenance(self, old_boats, tmp_path):
        (tmp_path / 'maintenance').touch()

        response = old_boats.test_client().get('/boats/7/old')

        assert response.status_code == 503
        assert response.headers['Sunset'] == HEADERS['Sunset']

    def test_adds_headers_to_a_rejected_large_response(self, old_boats):
        """The function that replaces the response runs before this one."""

        def reject(client):
            raise TooManyRequests(1)

        response = old_boats.test_client().get(
            f'/boats/{LARGE}/old', environ_overrides={CLAIM_RESPONSE: reject}
        )

        assert response.status_code == 429
        assert response.headers['Sunset'] == HEADERS['Sunset']

    def test_adds_no_headers_to_other_routes(self, old_boats):
        response = old_boats.test_client().get('/boats/7')

        assert not {'Deprecation', 'Sunset', 'Link'} & set(response.headers.keys())

    def test_keeps_other_links_and_links_to_the_documentation(self, app):
        with app.test_request_context():
            response = api_success()
            response.headers['Link'] = '</next>; rel="next"'

            _add_headers(response, Deprecation(since=SINCE, sunset=SUNSET))

        assert response.headers.getlist('Link') == [
            '</next>; rel="next"',
            '</api/v1/docs>; rel="deprecation"; type="text/html"',
        ]

    def test_counts_users_and_keys(self, kernel):
        key = '0b8c1f6e-0000-4000-8000-000000000001'
        people = {'user': principal(user_id=5), 'key': principal(user_id=6, key_id=key)}
        app = kernel(boats(authenticated()), identify=people.get)
        client = app.test_client()

        for token in ('none', 'user', 'user', 'key'):
            headers = {**bearer(token), 'User-Agent': 'acme-sync/1.2 (host 7)'}
            client.get('/boats/7/old', headers=headers)

        route = 'GET /boats/{boat_id}/old'
        assert counts(app) == {
            (route, 5, '', 'acme-sync'): 2,
            (route, 6, key, 'acme-sync'): 1,
        }

    def test_counts_anonymous_callers_and_head_as_get(self, old_boats):
        client = old_boats.test_client()

        client.get('/boats/7/old', headers={'User-Agent': 'curl/8'})
        client.head('/boats/7/old', headers={'User-Agent': 'curl/8'})

        assert counts(old_boats) == {('GET /boats/{boat_id}/old', 0, '', 'curl'): 2}

    def test_does_not_count_other_routes(self, old_boats):
        old_boats.test_client().get('/boats/7')

        assert counts(old_boats) == {}


class TestValidateDeprecations:
    @pytest.mark.parametrize(
        ('changes', 'fault'),
        [
            (
                {'sunset': date(2027, 2, 28)},
                'its sunset 2027-02-28 is less than 90 days after 2026-12-01: at the earliest '
                '2027-03-01',
            ),
            ({'successor': 'boats.ships'}, "its successor 'boats.ships' is not an endpoint"),
            ({'successor': 'boats.boat_show_old'}, 'is deprecated, too'),
        ],
    )
    def test_rejects(self, kernel, changes, fault):
        with pytest.raises(DeprecationInvalid) as caught:
            kernel(boats(**changes))

        assert str(caught.value).startswith('GET /boats/{boat_id}/old is deprecated, but ')
        assert fault in str(caught.value)

    def test_accepts_the_earliest_sunset(self, kernel):
        assert kernel(boats(sunset=date(2027, 3, 1)))

    def test_rejects_a_successor_with_another_argument(self, kernel):
        blueprint = Blueprint('ships', __name__)

        @blueprint.get('/ships')
        @endpoint(
            allow=public,
            deprecated=Deprecation(since=SINCE, sunset=SUNSET, successor='boats.boat_show'),
        )
        def ships():
            """List ships."""

        with pytest.raises(DeprecationInvalid, match='its URL lacks boat_id'):
            kernel(boats(), blueprint)


class TestDeprecations:
    def test_returns_only_deprecated_methods(self, kernel):
        blueprint = Blueprint('ships', __name__)

        class ShipsView(MethodView):
            @endpoint(allow=public, deprecated=Deprecation(since=SINCE, sunset=SUNSET))
            def get(self):
                """List ships."""

            @endpoint(allow=public)
            def post(self):
                """Build a ship."""

        blueprint.add_url_rule('/ships', view_func=ShipsView.as_view('ships'))

        with kernel(blueprint).app_context():
            assert deprecations() == {'GET /ships': SUNSET}
