"""`/api/v1/openapi.json`: who may read it. The page has tests of its own."""

import pytest

from project.core.web.openapi.document import specification
from tests.client import reasons
from tests.users.factories import UserFactory

URL = '/api/v1/openapi.json'


@pytest.fixture
def docs(app, monkeypatch):
    """Return a function that says who may read the documents."""

    def to(word):
        monkeypatch.setitem(app.config, 'API_DOCS', word)

    return to


class TestOpenapiShow:
    def test_is_the_document_itself(self, app, client, docs):
        docs('public')

        response = client.get(URL)

        assert response.status_code == 200
        assert response.json == app.json.loads(app.json.dumps(specification(app)))

    def test_wants_a_token_where_it_is_not_public(self, client, as_user, docs):
        docs('authenticated')

        stranger = client.get(URL)

        assert stranger.status_code == 401
        assert list(reasons(stranger)) == ['authorization']
        assert as_user(UserFactory()).get(URL).status_code == 200

    @pytest.mark.parametrize('url', [URL, '/api/v1/docs', '/api/v1/docs/docs.js'])
    def test_is_not_there_where_it_is_off(self, client, docs, url):
        docs('off')

        response = client.get(url)

        assert response.status_code == 404
        assert reasons(response) == {'url': ['Not found']}

    @pytest.mark.parametrize('name', ['nothing.js', 'docs.html', '..%2Fdocs.py', 'index.html'])
    def test_shows_nothing_beside_what_the_page_is_made_of(self, client, docs, name):
        docs('public')

        assert client.get(f'/api/v1/docs/{name}').status_code == 404
