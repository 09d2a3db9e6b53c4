"""The kernel, bound to an application: proxies, and the order of its rooms."""

import pytest
from flask import Blueprint, Flask, request

from project import core
from project.core.request_context import current_request_context
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.endpoint_spec import UndeclaredRoute
from project.core.web.responses.jsend import api_success
from tests.client import data

from .apps import kernel_app, nobody


@pytest.fixture
def whoami():
    """Return a blueprint that says where a request seems to come from."""
    blueprint = Blueprint('whoami', __name__)

    @blueprint.get('/whoami')
    @endpoint(allow=public)
    def whoami():
        return api_success([current_request_context().ip_address, request.scheme, request.host])

    return blueprint


FORGED = {
    'X-Forwarded-For': '198.51.100.1, 203.0.113.7',
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'evil.example',
}


class TestInitApp:
    def test_believes_no_proxy_by_default(self, tmp_path, whoami):
        client = kernel_app(tmp_path, whoami).test_client()

        response = client.get('/whoami', headers=FORGED)

        assert data(response) == ['127.0.0.1', 'http', 'localhost']

    def test_believes_as_many_hops_as_there_are_proxies(self, tmp_path, whoami):
        client = kernel_app(tmp_path, whoami, TRUSTED_PROXIES=1).test_client()

        response = client.get('/whoami', headers=FORGED)

        assert data(response) == ['203.0.113.7', 'https', 'localhost']

    def test_counts_the_hops_from_the_end(self, tmp_path, whoami):
        client = kernel_app(tmp_path, whoami, TRUSTED_PROXIES=2).test_client()

        forged = {'X-Forwarded-For': f'10.9.9.9, {FORGED["X-Forwarded-For"]}'}
        response = client.get('/whoami', headers=forged)

        assert data(response)[0] == '198.51.100.1'

    def test_answers_to_trusted_hosts_alone(self, tmp_path, whoami):
        app = kernel_app(tmp_path, whoami, TRUSTED_HOSTS=['api.example.test', '.cdn.example.test'])
        client = app.test_client()

        answers = {
            host: client.get('/whoami', headers={'Host': host}).status_code
            for host in ('api.example.test', 'x.cdn.example.test', 'evil.example', 'bad host')
        }
        refused = client.get('/whoami', headers={'Host': 'evil.example'})

        assert answers == {
            'api.example.test': 200,
            'x.cdn.example.test': 200,
            'evil.example': 400,
            'bad host': 400,
        }
        assert refused.json == {'status': 'fail', 'data': {'request': ['Bad Request']}}
        assert refused.headers['X-Request-ID']


class TestClose:
    def test_rejects_a_route_that_declares_nothing(self, tmp_path):
        blueprint = Blueprint('bare', __name__)
        blueprint.get('/bare')(lambda: 'hello')

        with pytest.raises(UndeclaredRoute, match='GET /bare declares nothing'):
            kernel_app(tmp_path, blueprint)

    def test_rejects_flask_s_own_static_route(self, app):
        naive = Flask('project')
        naive.config.from_mapping(app.config)
        core.init_app(naive, nobody)

        with pytest.raises(UndeclaredRoute, match='GET /static/<path:filename>'):
            core.validate_routes(naive)
