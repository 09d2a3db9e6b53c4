"""ETags and conditional requests."""

from types import SimpleNamespace

import pytest
from marshmallow import Schema, fields

from project.core.errors import PreconditionFailed
from project.core.web.responses.etags import expected_versions
from tests.kit.responses import data, fails_with


class ThingSchema(Schema):
    name = fields.Str()


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

    @pytest.mark.parametrize('tags', ['"2"', '"33"', 'garbage', '', '"', 'W/"4"'])
    def test_returns_200_when_the_client_has_another_version(self, thing, tags):
        response = thing.get('/probe', headers={'If-None-Match': tags})

        assert response.status_code == 200

    def test_handles_head_like_get(self, thing):
        assert thing.head('/probe').headers['ETag'] == '"3"'
        assert thing.head('/probe', headers={'If-None-Match': '"3"'}).status_code == 304

    def test_ignores_if_none_match_on_post(self, thing):
        assert thing.post('/probe', headers={'If-None-Match': '"3"'}).status_code == 200


class TestExpectedVersions:
    def versions_of(self, app, *tags):
        with app.test_request_context(headers=[('If-Match', tag) for tag in tags]):
            return expected_versions()

    def test_returns_none_without_if_match(self, app):
        assert self.versions_of(app) is None

    def test_returns_none_for_a_star(self, app):
        assert self.versions_of(app, '*') is None

    @pytest.mark.parametrize(
        ('tags', 'versions'),
        [('"3"', {3}), ('"3", "4"', {3, 4}), ('"3","x", W/"5"', {3}), ('"0"', {0})],
    )
    def test_returns_the_versions_in_if_match(self, app, tags, versions):
        assert self.versions_of(app, tags) == versions

    @pytest.mark.parametrize(
        'tags', ['W/"3"', '"x"', '', '""', '"-3"', '"3.0"', '"²"', '"٣"', '"9999999999"', '"']
    )
    def test_raise_precondition_failed_if_if_match_contains_no_valid_version(self, app, tags):
        with pytest.raises(PreconditionFailed):
            self.versions_of(app, tags)

    def test_cause_412_when_they_are_invalid(self, serve):
        client = serve(lambda: expected_versions() and None, versioned=True, methods=('PUT',))

        response = client.put('/probe', headers={'If-Match': '"x"'})

        fails_with(response, 'etag', status=412)
