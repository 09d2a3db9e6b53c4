"""Versions of things."""

from types import SimpleNamespace

import pytest
from marshmallow import Schema, fields

from project.core.errors import PreconditionFailed
from project.core.web.responses.etags import expected_versions
from tests.client import data, reasons


class ThingSchema(Schema):
    name = fields.Str()


@pytest.fixture
def thing(serve):
    """Return a client of a thing in version 3."""

    def show():
        return SimpleNamespace(name='Boat', version=3)

    return serve(show, returns=ThingSchema, versioned=True)


class TestAddEtag:
    def test_says_the_version(self, thing):
        response = thing.get('/probe')

        assert response.headers['ETag'] == '"3"'
        assert data(response) == {'name': 'Boat'}

    @pytest.mark.parametrize('tags', ['"3"', 'W/"3"', '"1", "3"', '*'])
    def test_says_just_that_to_who_has_it_already(self, thing, tags):
        response = thing.get('/probe', headers={'If-None-Match': tags})

        assert response.status_code == 304
        assert response.data == b''
        assert response.headers['ETag'] == '"3"'
        assert 'Content-Type' not in response.headers

    @pytest.mark.parametrize('tags', ['"2"', '"33"', 'garbage', '', '"', 'W/"4"'])
    def test_answers_in_full_to_who_has_another(self, thing, tags):
        response = thing.get('/probe', headers={'If-None-Match': tags})

        assert response.status_code == 200

    def test_answers_head_alike(self, thing):
        assert thing.head('/probe').headers['ETag'] == '"3"'
        assert thing.head('/probe', headers={'If-None-Match': '"3"'}).status_code == 304

    def test_always_answers_what_changes_something(self, thing):
        assert thing.post('/probe', headers={'If-None-Match': '"3"'}).status_code == 200


class TestExpectedVersions:
    def ask(self, app, *tags):
        with app.test_request_context(headers=[('If-Match', tag) for tag in tags]):
            return expected_versions()

    def test_are_any_where_nobody_says(self, app):
        assert self.ask(app) is None

    def test_are_any_with_a_star(self, app):
        assert self.ask(app, '*') is None

    @pytest.mark.parametrize(
        ('tags', 'versions'),
        [('"3"', {3}), ('"3", "4"', {3, 4}), ('"3","x", W/"5"', {3}), ('"0"', {0})],
    )
    def test_are_what_was_said(self, app, tags, versions):
        assert self.ask(app, tags) == versions

    @pytest.mark.parametrize(
        'tags', ['W/"3"', '"x"', '', '""', '"-3"', '"3.0"', '"²"', '"٣"', '"9999999999"', '"']
    )
    def test_are_never_met_by_what_is_no_version_of_ours(self, app, tags):
        with pytest.raises(PreconditionFailed):
            self.ask(app, tags)

    def test_are_rejected_with_412(self, serve):
        client = serve(lambda: expected_versions() and None, versioned=True, methods=('PUT',))

        response = client.put('/probe', headers={'If-Match': '"x"'})

        assert response.status_code == 412
        assert list(reasons(response)) == ['etag']
