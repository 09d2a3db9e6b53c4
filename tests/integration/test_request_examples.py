"""HTTP: the examples of request bodies in the OpenAPI document succeed when a user sends them."""

import pytest
from marshmallow import fields

from project.core.web.endpoints.endpoint_spec import ENDPOINT_SPECS
from project.core.web.openapi.examples import example_of
from tests.conditional_routes import ConditionalRoute, Samples
from tests.kit.responses import reasons
from tests.users.factories import AdminFactory


@pytest.fixture
def samples(app, as_user, var):
    """The URLs of objects of the admin whom `flask db seed` creates; another admin exists, too."""
    AdminFactory()
    caller = AdminFactory(username='ada', email='ada@example.com')
    return Samples(app, as_user(caller), caller)


def routes_with_example(app):
    for rule in app.url_map.iter_rules():
        for method in sorted(rule.methods):
            spec = ENDPOINT_SPECS.of(app).get((rule.endpoint, method))
            if spec and spec.body:
                yield ConditionalRoute(rule, method, spec, rule.endpoint.split('.')[1])


def id_fields(route):
    """Return the fields with the id of another object. An example cannot contain an existing id."""
    return {
        n for n, field in route.spec.body._declared_fields.items() if type(field) is fields.UUID
    }


def declared_reasons(app, route):
    """Return the status and the key of each error of a route."""
    errors = (*route.spec.errors, *route.spec.implied_errors(route.rule, route.method))
    return {(error.http_code, error.field) for error in errors}


class TestRequestExamples:
    def test_succeed_except_those_that_lack_a_value(self, app, samples):
        """`route_samples.py` of a feature names these, with the reason."""
        failed, incomplete = {}, {}
        for module in samples.modules.values():
            incomplete |= getattr(module, 'INCOMPLETE_EXAMPLES', {})
        for route in routes_with_example(app):
            url, example = samples.url_of(route), example_of(route.spec.body)

            response = samples.client.open(url, method=route.method, json=example, buffered=True)

            if response.status_code < 300:
                continue
            found = {(response.status_code, key) for key in reasons(response)}
            assert found <= declared_reasons(app, route), (url, response.text)
            if not reasons(response).keys() <= id_fields(route):
                failed[f'{route.method} {route.rule.endpoint.rpartition(".")[2]}'] = response.text
        assert failed.keys() == incomplete.keys(), failed
