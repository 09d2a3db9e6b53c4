"""Tests for topics of `docs/guide.md` that no other test module covers."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Blueprint, Flask
from jinja2 import Environment

from config.testing import TestingConfig
from project import create_app
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.openapi.docs_page import docs
from tests.architecture import parse
from tests.kit.responses import data, fails_with
from tests.service import BIN, ROOT

PROJECT = ROOT / 'project'


def sources() -> list[tuple[Path, ast.Module]]:
    """Return the path and the syntax tree of each module of the project."""
    return [(path, parse(path.read_text(encoding='utf-8'))) for path in PROJECT.rglob('*.py')]


@pytest.mark.slow('starts a command')
class TestDiscovery:
    def test_finds_the_application_without_flask_app(self) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith('FLASK')}

        done = subprocess.run(
            [sys.executable, '-X', 'importtime', str(BIN / 'flask'), 'routes'],
            cwd=ROOT,
            env={**env, 'APP_ENV': 'testing'},
            capture_output=True,
            text=True,
            check=True,
        )

        assert 'api_v1.users.user_me' in done.stdout
        # Packages that are slow to import. Only some commands and settings need them.
        slow = {'boto3', 'dramatiq', 'email_validator', 'redis', 'rich', 'zxcvbn'}
        assert {line.split()[-1] for line in done.stderr.splitlines()} & slow == set()

    def test_does_not_read_the_removed_flask_env(self) -> None:
        assert [path for path, _ in sources() if 'FLASK_ENV' in path.read_text()] == []


class TestConfigUpdate:
    def test_changes_a_configured_application(self) -> None:
        app = Flask(__name__, static_folder=None)
        app.config.from_object(TestingConfig)

        app.config.update(SHUTDOWN_DELAY=1, API_DOCS='off')

        assert (app.config['SHUTDOWN_DELAY'], app.config['API_DOCS']) == (1, 'off')
        assert TestingConfig.SHUTDOWN_DELAY != 1

    def test_affects_a_running_application(self, app, client, monkeypatch):
        monkeypatch.setitem(app.config, 'API_DOCS', 'off')

        assert client.get('/api/v1/docs').status_code == 404


class TestRoutes:
    def test_are_declared_by_method_and_not_by_a_list_of_methods(self) -> None:
        calls = [
            (path, node.lineno)
            for path, tree in sources()
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith('.route')
        ]

        assert calls == []

    def test_have_no_float_because_no_resource_id_is_a_float(self, app: Flask) -> None:
        kinds = {
            type(converter).__name__
            for rule in app.url_map.iter_rules()
            for converter in rule._converters.values()
        }

        assert kinds >= {'IdConverter', 'UnicodeConverter'}
        assert 'FloatConverter' not in kinds

    def test_return_404_for_a_surplus_slash(self, client) -> None:
        assert client.get('/api/v1//users/me').status_code == 404
        assert client.get('/api/v1/users/me/').status_code == 404

    @pytest.mark.parametrize('returned', ['Hello', ('Hello', 418), {'secret': 1}, ['secret']])
    def test_return_no_data_without_a_schema(self, returned: object) -> None:
        probe = Blueprint('probe', __name__)

        @probe.get('/probe')
        @endpoint(allow=public)
        def show() -> object:
            """Return data without a schema."""
            return returned

        app = Flask(__name__, static_folder=None)
        app.register_blueprint(probe)

        response = app.test_client().get('/probe')

        assert response.status_code == 200
        assert data(response) is None


class TestApplications:
    def test_do_not_share_the_blueprint_that_the_first_request_closes(self, app, client) -> None:
        assert client.get('/healthz').status_code == 200

        second = create_app(TestingConfig)

        assert second.blueprints['api_v1'] is not app.blueprints['api_v1']
        assert second.blueprints['api_v1.docs'] is docs


class TestBlueprintErrors:
    def test_are_handled_by_the_application(self, app: Flask, client) -> None:
        own = {name: found for name, found in app.error_handler_spec.items() if name and found}
        assert not any(handlers for spec in own.values() for handlers in spec.values())

        response = client.get('/api/v1/users/ada/nowhere')

        fails_with(response, 'url', status=404, reason='Not Found')


class TestCookies:
    def test_are_never_set(self, client) -> None:
        for path in ('/healthz', '/api/v1/docs', '/api/v1/users/me', '/api/v1/nowhere'):
            with client.get(path) as response:
                assert 'Set-Cookie' not in response.headers

    def test_do_not_authenticate(self, client) -> None:
        client.set_cookie('session', 'pst_anything')
        client.set_cookie('Authorization', 'Bearer pst_anything')

        assert client.get('/api/v1/users/me').status_code == 401


class TestTemplates:
    def test_escape_html_and_not_text(self, app: Flask) -> None:
        environment: Environment = app.jinja_env
        escapes = environment.autoescape
        assert callable(escapes)

        assert escapes('mail/export_ready/body.html')
        assert not escapes('mail/export_ready/body.txt')

    @pytest.mark.parametrize(
        'construct',
        ['{% extends', '{% include', '{% block', '{% if', '|e ', '{% filter'],
    )
    def test_use_the_constructs_of_the_guide(self, construct: str) -> None:
        texts = [p.read_text() for p in PROJECT.rglob('templates/mail/**/*.*') if p.is_file()]

        assert any(construct in text for text in texts)
