"""Initialization of `project.core` in an application, and its validation of all routes."""

import pytest
from flask import Blueprint, Flask

from project import core
from project.core.web.endpoints.endpoint_spec import UndeclaredRoute

from .apps import find_no_principal, kernel_app


class TestInitApp:
    def test_returns_400_for_untrusted_hosts(self, tmp_path, whoami):
        app = kernel_app(tmp_path, whoami, TRUSTED_HOSTS=['api.example.test', '.cdn.example.test'])
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
        assert rejected.json == {'status': 'fail', 'data': {'request': ['Bad Request']}}
        assert rejected.headers['X-Request-ID']


class TestValidateRoutes:
    def test_rejects_a_route_without_an_endpoint_spec(self, tmp_path):
        blueprint = Blueprint('bare', __name__)
        blueprint.get('/bare')(lambda: 'hello')

        with pytest.raises(UndeclaredRoute, match='GET /bare declares nothing'):
            kernel_app(tmp_path, blueprint)

    def test_rejects_the_static_route_of_flask(self, app):
        naive = Flask('project')
        naive.config.from_mapping(app.config)
        core.init_app(naive, find_no_principal, lambda principal: principal, lambda user_ids: None)

        with pytest.raises(UndeclaredRoute, match='GET /static/<path:filename>'):
            core.validate_routes(naive)
