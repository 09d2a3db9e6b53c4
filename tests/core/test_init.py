"""`core.init_app`, and the validation of all routes before the application starts."""

import pytest
from flask import Blueprint, Flask

from project import core
from project.core.security.authentication import NO_AUTHENTICATION
from project.core.web.endpoints.access import authenticated
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.endpoint_spec import UndeclaredRoute
from project.core.web.requests.host import HostInvalid


class TestInitApp:
    def test_returns_400_for_untrusted_hosts(self, kernel, whoami):
        app = kernel(whoami, TRUSTED_HOSTS=['api.example.test', '.cdn.example.test'])
        client = app.test_client()

        answers = {
            host: client.get('/whoami', headers={'Host': host}).status_code
            for host in ('api.example.test', 'x.cdn.example.test', 'evil.example', 'bad host')
        }
        rejected = client.get('/whoami', headers={'Host': 'evil.example'})

        assert answers == {
            'api.example.test': 200,
            'x.cdn.example.test': 200,
            'evil.example': 400,
            'bad host': 400,
        }
        assert rejected.json == {'status': 'fail', 'data': {'request': [HostInvalid.reason]}}
        assert rejected.headers['X-Request-ID']

    def test_accepts_no_token_without_authentication(self, kernel):
        blueprint = Blueprint('private', __name__)
        blueprint.get('/private')(endpoint(allow=authenticated())(lambda: None))
        app = kernel(blueprint, identify=NO_AUTHENTICATION.identify)

        response = app.test_client().get('/private', headers={'Authorization': 'Bearer x'})

        assert response.status_code == 401


class TestValidateRoutes:
    def test_rejects_a_route_without_an_endpoint_spec(self, kernel):
        blueprint = Blueprint('bare', __name__)
        blueprint.get('/bare')(lambda: 'hello')

        with pytest.raises(UndeclaredRoute, match='GET /bare declares nothing'):
            kernel(blueprint)

    def test_rejects_the_static_route_of_flask(self, app):
        naive = Flask('project')
        naive.config.from_mapping(app.config)
        core.init_app(naive)

        with pytest.raises(UndeclaredRoute, match='GET /static/<path:filename>'):
            core.validate_routes(naive)
