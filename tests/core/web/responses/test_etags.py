"""ETags of JSON responses, and the conditions of writes."""

from types import SimpleNamespace

import pytest
from marshmallow import Schema, fields

from project.core.version_preconditions import ANY_VERSION, Precondition
from project.core.web.responses.etags import etag_of, version_precondition
from tests.kit.responses import data, fails_with


class ThingSchema(Schema):
    name = fields.Str()


class OwnedSchema(ThingSchema):
    @staticmethod
    def etag(thing):
        return f'{thing.name}-{thing.version}'


@pytest.fixture
def thing(serve):
    """Return a test client with one route, which returns a thing of version 3."""

    def show():
        return SimpleNamespace(name='Boat', version=3)

    return serve(show, returns=ThingSchema, versioned=True)


class TestAddEtag:
    def test_contains_the_version(self, thing):
        response = thing.get('/probe')

        assert response.headers['ETag'] == '"3"'
        assert data(response) == {'name': 'Boat'}

    @pytest.mark.parametrize('tags', ['"3"', 'W/"3"', '"1", "3"', '*'])
    def test_returns_304_when_the_client_has_this_version(self, thing, tags):
        response = thing.get('/probe', headers={'If-None-Match': tags})

        assert response.status_code == 304
        assert response.data == b''
        assert response.headers['ETag'] == '"3"'
        assert 'Content-Type' not in response.headers

    @pytest.mark.parametrize('tags', ['"2"', '"33"', 'garbage', '', '"', 'W/"4"', '3', 'w/"3"'])
    def test_returns_200_when_the_client_has_another_version(self, thing, tags):
        response = thing.get('/probe', headers={'If-None-Match': tags})

        assert response.status_code == 200

    def test_returns_412_when_the_client_requires_another_version(self, thing):
        fails_with(thing.get('/probe', headers={'If-Match': '"2"'}), 'etag', status=412)
        assert thing.head('/probe', headers={'If-Match': '"2"'}).status_code == 412
        assert thing.get('/probe', headers={'If-Match': '"3"'}).status_code == 200

    def test_handles_head_like_get(self, thing):
        assert thing.head('/probe').headers['ETag'] == '"3"'
        assert thing.head('/probe', headers={'If-None-Match': '"3"'}).status_code == 304

    def test_ignores_if_none_match_on_post(self, thing):
        assert thing.post('/probe', headers={'If-None-Match': '"3"'}).status_code == 200


class TestEtagOf:
    def test_is_the_version_unless_the_schema_defines_it(self):
        thing = SimpleNamespace(name='Boat', version=3)

        assert etag_of(thing, ThingSchema) == '3'
        assert etag_of(thing, OwnedSchema) == 'Boat-3'


class TestVersionPrecondition:
    def condition_of(self, app, **headers):
        named = {name.replace('_', '-'): value for name, value in headers.items()}
        with app.test_request_context(headers=named):
            return version_precondition()

    def test_accepts_any_version_without_headers(self, app):
        assert self.condition_of(app) == ANY_VERSION

    def test_requires_an_object_for_a_star_in_if_match(self, app):
        assert self.condition_of(app, If_Match='*') == Precondition(must_exist=True)

    @pytest.mark.parametrize(
        ('tags', 'accepted'),
        [
            ('"3"', {'3'}),
            ('"3", "4"', {'3', '4'}),
            ('"3","x", W/"5"', {'3', 'x'}),
            ('"a,b" , "c"', {'a,b', 'c'}),
            ('W/"3"', set()),
            ('3', set()),
            ('', set()),
            ('"', set()),
        ],
    )
    def test_accepts_the_strong_tags_in_if_match(self, app, tags, accepted):
        assert self.condition_of(app, If_Match=tags) == Precondition(
            must_exist=True, accepted=frozenset(accepted)
        )

    def test_requires_that_nothing_exists_for_a_star_in_if_none_match(self, app):
        assert self.condition_of(app, If_None_Match='*') == Precondition(must_not_exist=True)

    def test_excludes_the_tags_in_if_none_match(self, app):
        assert self.condition_of(app, If_None_Match='"1", W/"2"') == Precondition(
            excluded=frozenset({'1', '2'})
        )
