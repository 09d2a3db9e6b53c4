"""HTTP: every route with an ETag obeys every precondition (RFC 9110 §13)."""

from uuid import UUID

import pytest

from project.core.database.session import db
from project.core.features import find_features
from tests.conditional_routes import (
    CORE,
    READ_CELLS,
    READS,
    WRITE_CELLS,
    WRITES,
    Samples,
    compares_etag,
    conditional_routes,
    contradictions,
    etag_before_write,
    unconditional_writes,
)
from tests.core.images.decoders import decode_in_process
from tests.kit.responses import reasons
from tests.users.factories import AdminFactory

FEATURES = [CORE, *(feature.name for feature in find_features())]


@pytest.fixture(autouse=True)
def readiness(app, monkeypatch):
    """Disable the health checks of /readyz, which would wait for the test's transaction."""
    monkeypatch.setattr(app.extensions['readiness'], 'current', dict)
    monkeypatch.setitem(app.config, 'IMAGES_CONCURRENCY', 64)
    decode_in_process(monkeypatch)


@pytest.fixture
def samples(app, as_user, var):
    """The URLs of objects of an admin who is not the last one."""
    AdminFactory()
    caller = AdminFactory()
    return Samples(app, as_user(caller), caller)


class TestReads:
    @pytest.mark.slow('sends each precondition to each route')
    @pytest.mark.parametrize('feature', FEATURES)
    def test_obey_preconditions(self, app, samples, feature):
        found = []
        for route in conditional_routes(app, READS):
            if route.feature == feature:
                url = samples.url_of(route)
                shown = samples.client.get(url, buffered=True)
                assert shown.status_code == 200, f'{route}: {shown.text}'

                def send(headers, url=url, route=route):
                    return samples.client.open(
                        url, method=route.method, headers=headers, buffered=True
                    )

                found += contradictions(READ_CELLS, send, route, shown)

        assert found == []


class TestWrites:
    @pytest.mark.slow('sends each precondition to each route')
    @pytest.mark.parametrize('feature', FEATURES)
    def test_obey_preconditions(self, app, samples, feature):
        found = []
        for route in conditional_routes(app, WRITES):
            if route.feature == feature:
                url = samples.url_of(route)
                shown = etag_before_write(app, samples.client, url)

                def send(headers, url=url, route=route):
                    # Each request is rolled back, so that all begin with the same ETag.
                    db.session.remove()
                    savepoint = db.engines[None].begin_nested()
                    response = samples.client.open(
                        url, method=route.method, headers=headers, **samples.body_of(route)
                    )
                    db.session.remove()
                    savepoint.rollback()
                    return response

                found += contradictions(WRITE_CELLS, send, route, shown)

        assert found == []

    def test_reject_each_tag_where_no_etag_is_compared(self, app, samples):
        kinds = {'"1"': True, 'W/"1"': True, 'garbage': True, '*': False}
        routes = list(unconditional_writes(app))
        wrong = []
        for rule, method in routes:
            values = dict.fromkeys(rule.arguments, UUID(int=7))
            url = app.url_map.bind('localhost').build(rule.endpoint, values, method)
            for value, is_rejected in kinds.items():
                headers = {'If-Match': value}

                response = samples.client.open(url, method=method, headers=headers, json={})

                # Without the version of tus, 412 has another key.
                got = response.status_code == 412 and 'etag' in reasons(response)
                if got != is_rejected:
                    wrong.append(f'{method} {rule.rule} {value}: {response.status}')

        assert wrong == []
        assert routes

    def test_compare_the_etag_of_every_object_with_versions(self, app):
        """Without it, a client that sends `If-Match` would overwrite another change."""
        versioned = {
            route.rule.rule for route in conditional_routes(app, READS) if route.spec.versioned
        }

        ignoring = [
            f'{method} {rule.rule}'
            for rule in app.url_map.iter_rules()
            for method in ('PUT', 'PATCH', 'DELETE')
            if rule.rule in versioned
            and (spec := app.extensions['endpoint_specs'].get((rule.endpoint, method)))
            and not compares_etag(spec)
        ]

        assert ignoring == []
