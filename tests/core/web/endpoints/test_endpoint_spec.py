"""Default deny: what declares nothing does not start."""

import pytest
from flask import Blueprint
from flask.views import MethodView
from marshmallow import Schema

from project.core.errors import (
    BadRequest,
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


class Anything(Schema):
    pass


@pytest.fixture
def boats():
    """Return a blueprint to put routes on."""
    return Blueprint('boats', __name__, url_prefix='/boats')


class BoatView(MethodView):
    """One that declares two methods out of three."""

    @endpoint(allow=public)
    def get(self, boat_id):
        """Show."""

    @endpoint(allow=authenticated())
    def patch(self, boat_id):
        """Change."""


class ForgetfulView(BoatView):
    def delete(self, boat_id):
        """Delete, and declare nothing."""


class OverridingView(BoatView):
    def patch(self, boat_id):
        """Change in another way, and declare nothing."""


class TestSpecOf:
    def test_is_what_the_handler_declares(self, kernel, boats):
        boats.add_url_rule('/<int:boat_id>', view_func=BoatView.as_view('boat'))
        app = kernel(boats)

        assert spec_of(app, 'boats.boat', 'GET').allow is public
        assert spec_of(app, 'boats.boat', 'PATCH').allow == authenticated()
        assert spec_of(app, 'boats.boat', 'DELETE') is None


class TestHandlerOf:
    def test_falls_back_from_head_to_get(self):
        view = BoatView.as_view('boat')

        assert handler_of(view, 'HEAD') is BoatView.get
        assert handler_of(view, 'PATCH') is BoatView.patch
        assert handler_of(view, 'DELETE') is None

    def test_is_the_function_itself_where_there_is_no_class(self):
        assert handler_of(len, 'GET') is len


class TestContracts:
    def test_are_found_by_endpoint_and_method(self, kernel, boats):
        boats.add_url_rule('/<int:boat_id>', view_func=BoatView.as_view('boat'))

        found = collect_endpoint_specs(kernel(boats))

        assert {key for key in found if key[0] == 'boats.boat'} == {
            ('boats.boat', 'GET'),
            ('boats.boat', 'HEAD'),
            ('boats.boat', 'PATCH'),
        }

    def test_reject_every_route_without_one_by_its_name(self, kernel, boats):
        boats.get('/a')(lambda: '')
        boats.post('/b', endpoint='b')(lambda: '')

        with pytest.raises(UndeclaredRoute) as refusal:
            kernel(boats)
        assert 'GET /boats/a declares nothing' in str(refusal.value)
        assert 'POST /boats/b declares nothing' in str(refusal.value)

    @pytest.mark.parametrize(
        ('view', 'method'), [(ForgetfulView, 'DELETE'), (OverridingView, 'PATCH')]
    )
    def test_reject_a_class_that_declares_all_methods_but_one(self, kernel, boats, view, method):
        boats.add_url_rule('/<int:boat_id>', view_func=view.as_view('boat'))

        with pytest.raises(UndeclaredRoute) as refusal:
            kernel(boats)
        assert str(refusal.value) == (
            f'{method} /boats/<int:boat_id> declares nothing: put @endpoint under it'
        )

    def test_reject_the_decorators_the_wrong_way_round(self, kernel, boats):
        @endpoint(allow=requires('boats:sink'))
        @boats.delete('/all')
        def boats_sink():
            """Sink all."""

        with pytest.raises(UndeclaredRoute, match='DELETE /boats/all declares nothing'):
            kernel(boats)

    def test_reject_a_decorator_on_top_that_hides_the_declaration(self, kernel, boats):
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
    def test_reject_a_handler_that_does_not_fit_what_it_declares(
        self, kernel, boats, declared, handler, fault
    ):
        boats.post('/fit', endpoint='fit')(endpoint(allow=public, **declared)(handler))

        with pytest.raises(UndeclaredRoute, match=r'POST /boats/fit does not fit') as refusal:
            kernel(boats)
        assert fault in str(refusal.value)

    def test_reject_a_handler_that_does_not_take_its_url(self, kernel, boats):
        boats.get('/<int:boat_id>', endpoint='fit')(endpoint(allow=public)(lambda: None))

        with pytest.raises(UndeclaredRoute, match="unexpected keyword argument 'boat_id'"):
            kernel(boats)

    def test_reject_an_options_that_a_route_answers_by_itself(self, kernel, boats):
        boats.route('/o', methods=['OPTIONS'], endpoint='o')(lambda: '')

        with pytest.raises(UndeclaredRoute, match='OPTIONS /boats/o declares nothing'):
            kernel(boats)


class TestDeclaredMethods:
    def test_are_all_but_the_options_that_flask_answers(self, app):
        methods = {rule.rule: declared_methods(rule) for rule in app.url_map.iter_rules()}

        assert methods['/healthz'] == {'GET', 'HEAD'}
        declared = {rule for rule, found in methods.items() if 'OPTIONS' in found}
        # What is said there is ours: it is how tus introduces itself.
        assert declared == {'/api/v1/files/uploads'}


class TestImplied:
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
            ({'body': Anything}, {RequestTimeout, UnsupportedMediaType, UnprocessableContent}),
            ({'form': Anything}, {RequestTimeout, UnsupportedMediaType, UnprocessableContent}),
            ({'consumes': 'image/webp'}, {RequestTimeout}),
            ({'query': Anything}, {UnprocessableContent}),
            ({'versioned': True, 'method': 'PATCH'}, {PreconditionFailed}),
            ({'versioned': True, 'method': 'GET'}, set()),
            ({'limit': '5/minute'}, {TooManyRequests}),
        ],
    )
    def test_follow_from_what_is_declared(self, kernel, boats, declared, more):
        assert self.errors(kernel, boats, **declared) == {BadRequest, ContentTooLarge} | more
