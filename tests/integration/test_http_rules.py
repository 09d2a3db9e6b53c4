"""Rules of HTTP that all routes obey. The routes come from the endpoint specs."""

import re
from io import BytesIO
from typing import NamedTuple

import pytest
from werkzeug.http import http_date

from project.core.web.endpoints.endpoint_spec import ENDPOINT_SPECS, EndpointSpec
from project.core.web.responses.headers import API
from tests.files.factories import FileFactory
from tests.http_lint import Report, lint_response
from tests.kit.responses import data, reasons
from tests.users.factories import AdminFactory, UserFactory

from .test_matrix import path_of

# URLs, tables and factories of these features.
requires = ('auth', 'files')

ANY_TYPE = '*/*'
TUS = {'Tus-Resumable': '1.0.0'}


class Operation(NamedTuple):
    """A method of a URL, and its declaration."""

    method: str
    rule: str
    spec: EndpointSpec

    def __str__(self) -> str:
        return f'{self.method} {self.rule}'


def operations(app):
    """Return all operations."""
    return [
        Operation(method, rule.rule, spec)
        for (endpoint, method), spec in ENDPOINT_SPECS.of(app).items()
        for rule in app.url_map.iter_rules(endpoint)
        if method in rule.methods
    ]


@pytest.fixture
def ask(as_user):
    """Return a function that sends a request to an operation, as an admin with a fresh login."""
    admin = AdminFactory()
    client = as_user(admin)

    def send(operation, **request):
        url = path_of(operation.rule, admin.id) + request.pop('query', '')
        return client.open(url, method=operation.method, buffered=True, **request)

    return send


class TestQuery:
    def test_rejects_undeclared_parameters_on_every_route(self, app, ask):
        found = {}
        for operation in operations(app):
            response = ask(operation, query='?undeclared=1', headers=TUS)
            is_named = operation.method == 'HEAD' or 'undeclared' in reasons(response)
            if (response.status_code, is_named) != (422, True):
                found[str(operation)] = response.status_code

        assert found == {}


class TestContentEncoding:
    def test_returns_415_for_a_coded_body_on_every_route_that_reads_one(self, app, ask):
        found, reading = {}, [o for o in operations(app) if o.spec.reads_body]
        for operation in reading:
            for coding in ('gzip', 'br', 'identity, GZIP', 'aws-chunked'):
                for kind in operation.spec.accepted_types:
                    headers = {**TUS, 'Content-Encoding': coding, 'Content-Type': kind}
                    response = ask(operation, data=b'{}', headers=headers)
                    accepted = response.headers.get('Accept-Encoding')
                    if (response.status_code, accepted) != (415, 'identity'):
                        found[f'{operation} {kind} {coding}'] = response.status_code

        assert found == {}
        assert len(reading) >= 30

    def test_accepts_identity(self, app, ask):
        found = {
            str(operation)
            for operation in operations(app)
            if operation.spec.body
            and ask(operation, json={}, headers={'Content-Encoding': 'identity'}).status_code == 415
        }

        assert found == set()


class TestContentType:
    def test_names_the_accepted_types_in_every_response_415(self, app, ask):
        found, seen = {}, 0
        for operation in operations(app):
            types = operation.spec.accepted_types
            if not types or ANY_TYPE in types:
                continue
            seen += 1
            response = ask(operation, data=b'x', headers={**TUS, 'Content-Type': 'text/csv'})
            expected = {'Accept': ', '.join(types)}
            if operation.method == 'PATCH':
                expected['Accept-Patch'] = expected['Accept']
            named = {name: response.headers.get(name) for name in ('Accept', 'Accept-Patch')}
            if response.status_code != 415 or named != {'Accept-Patch': None, **expected}:
                found[str(operation)] = response.status_code, named

        assert found == {}
        assert seen > 20

    def test_names_the_type_of_a_chunk_for_an_overridden_method(self, ask, app):
        [operation] = [
            found
            for found in operations(app)
            if str(found).startswith('POST /api/v1/files/uploads/')
        ]
        headers = {**TUS, 'X-HTTP-Method-Override': 'PATCH'}

        response = ask(operation, data=b'x', headers={**headers, 'Content-Type': 'text/csv'})

        assert response.status_code == 415
        assert response.headers['Accept'] == 'application/offset+octet-stream'


class TestScriptName:
    """`SCRIPT_NAME` is the path below which a server mounts the service."""

    PREFIX = '/backend'

    @pytest.fixture
    def prefixed(self, as_user):
        """Return a function that sends a request to the service below `PREFIX`."""
        admin = AdminFactory()
        client = as_user(admin)
        UserFactory.create_batch(2)
        FileFactory.create_batch(2, owner=admin)

        def send(method, path, **request):
            return client.open(
                f'/api/v1/{path}', method=method, buffered=True,
                environ_overrides={'SCRIPT_NAME': self.PREFIX}, **request,
            )  # fmt: skip

        return send

    def test_is_the_beginning_of_every_url_in_a_response(self, prefixed):
        user = {'username': 'linus', 'email': 'linus@example.test'}
        upload = {'file': (BytesIO(b'abc'), 'a.txt')}
        tus_headers = {**TUS, 'Upload-Length': '3'}
        file = prefixed('POST', 'files', data=upload)
        responses = {
            'Location of a user': prefixed('POST', 'users', json=user),
            'Location of a file': file,
            'Location of an upload': prefixed('POST', 'files/uploads', headers=tus_headers),
            'next page of users': prefixed('GET', 'users?limit=1'),
            'next page of files': prefixed('GET', 'files?limit=1'),
            'URL of a share link': prefixed('POST', f'files/{data(file)["id"]}/links', json={}),
        }

        for what, response in responses.items():
            text = f'{response.headers}{response.get_data(as_text=True)}'
            urls = re.findall(r'(\S*?)/api/v1/', text)
            assert urls, what
            assert [url for url in urls if not url.endswith(self.PREFIX)] == [], what

    def test_is_the_server_in_the_openapi_document(self, prefixed):
        assert prefixed('GET', 'openapi.json').json['servers'] == [{'url': self.PREFIX}]

    def test_is_not_in_the_document_of_a_service_at_the_root(self, client):
        assert client.get('/api/v1/openapi.json').json['servers'] == [{'url': '/'}]


class TestExposedHeaders:
    # Headers that scripts of other origins can always read (CORS-safelisted), that browsers use
    # themselves, or that concern only proxies.
    UNEXPOSED = {
        'Cache-Control', 'Content-Length', 'Content-Type', 'Date', 'Expires', 'Last-Modified',
        'Access-Control-Allow-Origin', 'Access-Control-Expose-Headers', 'Vary',
        *(name for name, _ in API),
    }  # fmt: skip

    def test_include_all_headers_of_each_route(self, app, ask):
        headers = {**TUS, 'Origin': 'https://app.example.test'}
        found = {}
        for operation in operations(app):
            if not operation.rule.startswith('/api/'):
                continue
            response = ask(
                operation, query='' if operation.method == 'GET' else '?a=1', headers=headers
            )
            exposed = response.headers['Access-Control-Expose-Headers'].split(', ')
            if surplus := {*response.headers.keys()} - {*exposed} - self.UNEXPOSED:
                found[str(operation)] = surplus

        assert found == {}


class TestHttplint:
    def test_finds_no_fault_in_a_response_of_each_route(self, app, ask, monkeypatch):
        # The health checks would wait for the transaction of the test.
        monkeypatch.setattr(app.extensions['readiness'], 'current', dict)
        report = Report()
        for operation in operations(app):
            response = ask(
                operation, query='' if operation.method == 'GET' else '?undeclared=1', headers=TUS
            )
            headers = {'Date': http_date(), **response.headers}
            notes = lint_response(
                operation.method, operation.rule, response.status_code, headers.items(),
                response.data,
            )  # fmt: skip
            report.add(f'{operation}: {response.status_code}', notes)

        assert report.faults == [], '\n'.join(report.lines())
        assert report.responses > 50
