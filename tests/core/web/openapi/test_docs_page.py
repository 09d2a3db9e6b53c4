"""Access to `/api/v1/openapi.json` and the documentation page."""

import pytest

from project.core.web.openapi.document import specification
from tests.kit.responses import fails_with

URL = '/api/v1/openapi.json'


@pytest.fixture
def docs(app, monkeypatch):
    """Return a function that sets API_DOCS, which controls who may see the documentation."""

    def to(word):
        monkeypatch.setitem(app.config, 'API_DOCS', word)

    return to


class TestOpenapiShow:
    def test_returns_the_document(self, app, client, docs):
        docs('public')

        response = client.get(URL)

        assert response.status_code == 200
        assert response.json == app.json.loads(app.json.dumps(specification(app)))

    def test_requires_a_token_when_it_is_not_public(self, client, as_user, docs):
        docs('authenticated')

        stranger = client.get(URL)

        fails_with(stranger, 'authorization', status=401)
        assert as_user().get(URL).status_code == 200

    @pytest.mark.parametrize('url', [URL, '/api/v1/docs', '/api/v1/docs/docs.js'])
    def test_returns_404_when_the_docs_are_off(self, client, docs, url):
        docs('off')

        response = client.get(url)

        fails_with(response, 'url', status=404, reason='Not found')

    @pytest.mark.parametrize('name', ['nothing.js', 'docs.html', '..%2Fdocs.py', 'index.html'])
    def test_returns_404_for_files_that_are_not_part_of_the_page(self, client, docs, name):
        docs('public')

        assert client.get(f'/api/v1/docs/{name}').status_code == 404
