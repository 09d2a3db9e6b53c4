"""Endpoint specs. The application does not start if a route has no spec."""

import pytest
from flask import Blueprint
from flask.views import MethodView
from marshmallow import Schema

from project.core.errors import (
    BadRequest,
    ContentEncodingUnsupported,
    ContentTooLarge,
    Forbidden,
    NotFound,
    PreconditionFailed,
    ReauthenticationRequired,
    RequestTimeout,
    TooManyRequests,
    Unauthorized,
    UnprocessableContent,
    UnsupportedMediaType,
)
from project.core.web.endpoints.access import (
    NotOwner,
    ScopeMissing,
    authenticated,
    owner_or,
    public,
    requires,
)
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.endpoint_spec import (
    UndeclaredRoute,
    collect_endpoint_specs,
    declared_methods,
    handler_of,
    spec_of,
)
from project.core.web.requests.pagination import ListQuery


class Anything(Schema):
    pass


@pytest.fixture
def boats():
    """Return a blueprint without routes."""
    return Blueprint('boats', __name__, url_prefix='/boats')


class BoatView(MethodView):
    """A class-based view. Both of its methods have an endpoint spec."""

    @endpoint(allow=public)
    def get(self, boat_id):
        """Show."""

    @endpoint(allow=authenticated())
    def patch(self, boat_id):
        """Change."""


class ForgetfulView(BoatView):
    def delete(self, boat_id):
        """Delete, without a spec."""


class OverridingView(BoatView):
    def patch(self, boat_id):
        """Change in another way, without a spec."""


class TestSpecOf:
    def test_returns_the_spec_of_the_handler(self, kernel, boats):
        boats.add_url_rule('/<int:boat_id>', view_func=BoatView.as_view('boat'))
        app = kernel(boats)

        assert spec_of(app, 'boats.boat', 'GET').allow is public
        assert spec_of(app, 'boats.boat', 'PATCH').allow == authenticated()
        assert spec_of(app, 'boats.boat', 'DELETE') is None


class TestHandlerOf:
    def test_uses_get_for_head(self):
        view = BoatView.as_view('boat')

        assert handler_of(view, 'HEAD') is BoatView.get
        assert handler_of(view, 'PATCH') is BoatView.patch
        assert handler_of(view, 'DELETE') is None

    def test_returns_a_plain_function_itself(self):
        assert handler_of(len, 'GET') is len


class TestCollectEndpointSpecs:
    def test_returns_the_specs_by_endpoint_and_method(self, kernel, boats):
        boats.add_url_rule('/<int:boat_id>', view_func=BoatView.as_view('boat'))

        found = collect_endpoint_specs(kernel(boats))

        assert {key for key in found if key[0] == 'boats.boat'} == {
            ('boats.boat', 'GET'),
            ('boats.boat', 'HEAD'),
            ('boats.boat', 'PATCH'),
        }

    def test_rejects_routes_without_a_spec_and_names_each(self, kernel, boats):
        boats.get('/a')(lambda: '')
        boats.post('/b', endpoint='b')(lambda: '')

        with pytest.raises(UndeclaredRoute) as error:
            kernel(boats)
        assert 'GET /boats/a declares nothing' in str(error.value)
        assert 'POST /boats/b declares nothing' in str(error.value)

    @pytest.mark.parametrize(
        ('view', 'method'), [(ForgetfulView, 'DELETE'), (OverridingView, 'PATCH')]
    )
    def test_rejects_a_view_with_a_method_without_a_spec(self, kernel, boats, view, method):
        boats.add_url_rule('/<int:boat_id>', view_func=view.as_view('boat'))

        with pytest.raises(UndeclaredRoute) as error:
            kernel(boats)
        assert str(error.value) == (
            f'{method} /boats/<int:boat_id> declares nothing: put @endpoint under it'
        )

    def test_rejects_decorators_in_the_wrong_order(self, kernel, boats):
        @endpoint(allow=requires('boats:sink'))
        @boats.delete('/all')
        def boats_sink():
            """Sink all."""

        with pytest.raises(UndeclaredRoute, match='DELETE /boats/all declares nothing'):
            kernel(boats)

    def test_rejects_an_outer_decorator_that_hides_the_spec(self, kernel, boats):
        def careless(function):
            return lambda: function()

        @boats.delete('/all')
        @careless
        @endpoint(allow=requires('boats:sink'))
        def boats_sink():
            """Sink all."""

        with pytest.raises(UndeclaredRoute, match='DELETE /boats/all declares nothing'):
            kernel(boats)

    @pytest.mark.parametrize(
        ('declared', 'handler', 'fault'),
        [
            ({'body': Anything}, lambda: None, "got an unexpected keyword argument 'body'"),
            ({'query': Anything}, lambda: None, "got an unexpected keyword argument 'query'"),
            ({'form': Anything}, lambda: None, "got an unexpected keyword argument 'form'"),
            ({}, lambda body: None, "missing a required argument: 'body'"),
        ],
    )
    def test_rejects_a_handler_whose_arguments_do_not_match_its_spec(
        self, kernel, boats, declared, handler, fault
    ):
        boats.post('/fit', endpoint='fit')(endpoint(allow=public, **declared)(handler))

        with pytest.raises(UndeclaredRoute, match=r'POST /boats/fit does not fit') as error:
            kernel(boats)
        assert fault in str(error.value)

    def test_rejects_a_handler_without_the_arguments_of_its_url(self, kernel, boats):
        boats.get('/<int:boat_id>', endpoint='fit')(endpoint(allow=public)(lambda: None))

        with pytest.raises(UndeclaredRoute, match="unexpected keyword argument 'boat_id'"):
            kernel(boats)

    def test_rejects_an_options_handler_without_a_spec(self, kernel, boats):
        boats.route('/o', methods=['OPTIONS'], endpoint='o')(lambda: '')

        with pytest.raises(UndeclaredRoute, match='OPTIONS /boats/o declares nothing'):
            kernel(boats)


class TestDeclaredMethods:
    def test_returns_all_methods_except_the_options_of_flask(self, kernel, boats):
        for method, rule in (('GET', '/x'), ('OPTIONS', '/own'), ('GET', '/own')):
            route = boats.route(rule, methods=[method], endpoint=f'{method}{rule}')
            route(endpoint(allow=public)(lambda: None))
        app = kernel(boats)
        methods = [
            (rule.rule, declared_methods(rule))
            for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith('boats')
        ]

        assert methods == [
            ('/boats/x', {'GET', 'HEAD'}),
            ('/boats/own', {'OPTIONS'}),
            ('/boats/own', {'GET', 'HEAD'}),
        ]


class TestImpliedErrors:
    def errors(self, kernel, boats, *, rule='/x', method='POST', handler=None, **declared):
        handler = handler or (lambda **_: None)
        route = boats.route(rule, methods=[method], endpoint='x')
        route(endpoint(**{'allow': public, **declared})(handler))
        app = kernel(boats)
        [found] = [r for r in app.url_map.iter_rules() if r.endpoint == 'boats.x']
        return set(spec_of(app, 'boats.x', method).implied_errors(found, method))

    @pytest.mark.parametrize(
        ('declared', 'more'),
        [
            ({}, set()),
            ({'allow': authenticated()}, {Unauthorized, ScopeMissing, Forbidden}),
            ({'allow': authenticated(), 'method': 'GET'}, {Unauthorized, ScopeMissing}),
            (
                {'allow': authenticated(fresh=True)},
                {Unauthorized, ScopeMissing, Forbidden, ReauthenticationRequired},
            ),
            ({'allow': requires('a:b')}, {Unauthorized, ScopeMissing, Forbidden}),
            (
                {'allow': owner_or('a:b', scope='c:d'), 'rule': '/<int:user_id>'},
                {Unauthorized, ScopeMissing, Forbidden, NotOwner, NotFound},
            ),
            ({'rule': '/<name>'}, {NotFound}),
            ({'body': Anything}, {UnsupportedMediaType, ContentEncodingUnsupported}),
            ({'form': Anything}, {UnsupportedMediaType, ContentEncodingUnsupported}),
            ({'consumes': 'image/webp'}, {ContentEncodingUnsupported}),
            ({'query': Anything}, set()),
            ({'query': ListQuery, 'method': 'GET'}, {TooManyRequests}),
            ({'many': True, 'method': 'GET'}, {TooManyRequests}),
            ({'produces': 'image/webp', 'method': 'GET'}, {TooManyRequests}),
            ({'method': 'PATCH'}, {PreconditionFailed}),
            ({'errors': [PreconditionFailed], 'method': 'PATCH'}, set()),
            ({'returns': Anything, 'method': 'GET'}, {PreconditionFailed}),
            ({'versioned': True, 'method': 'GET'}, set()),
            ({'limit': '5/minute'}, {TooManyRequests}),
        ],
    )
    def test_follow_from_the_spec(self, kernel, boats, declared, more):
        implied = {BadRequest, ContentTooLarge, RequestTimeout, UnprocessableContent}
        assert self.errors(kernel, boats, **declared) == implied | more
