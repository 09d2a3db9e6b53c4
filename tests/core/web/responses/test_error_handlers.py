"""Error handlers, which convert errors into responses in the format JSend or RFC 9457."""

import pytest
from gunicorn.http.errors import InvalidChunkSize
from marshmallow import Schema, ValidationError, fields
from psycopg.errors import ProgramLimitExceeded
from sqlalchemy import create_engine
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import RequestEntityTooLarge, RequestURITooLarge

from project.core.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    InsufficientStorage,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
)
from project.core.web.endpoints.access import authenticated
from project.core.web.responses.jsend import to_json
from tests.kit.responses import data, fails_with, reasons

PROBLEM = {'Accept': 'application/problem+json'}


class NameTaken(Conflict):
    field, reason = 'name', 'Already taken'


class NameRequest(Schema):
    name = fields.Str(required=True)


def raiser(error):
    """Return a request handler that raises `error`."""

    def handler():
        raise error

    return handler


@pytest.fixture
def failing(serve):
    """Return a function that calls a route which raises an error, and returns the response."""

    def request_error(error, headers=None, declared=(), **settings):
        client = serve(
            raiser(error), errors=declared, settings={'PROPAGATE_EXCEPTIONS': False, **settings}
        )
        return client.get('/probe', headers=headers)

    return request_error


def error_of(response):
    assert set(response.json) == {'status', 'message', 'code'}
    assert response.json['status'] == 'error'
    assert response.json['code'] == response.status_code
    return response.json['message']


class TestOnFail:
    def test_returns_the_status_and_headers_of_the_error(self, failing):
        response = failing(TooManyRequests(7), declared=[TooManyRequests])

        fails_with(response, 'rate', status=429, reason='Too many requests')
        assert response.headers['Retry-After'] == '7'

    def test_raises_in_tests_for_an_undeclared_error(self, serve):
        with pytest.raises(AssertionError, match=r'probe.show does not declare NameTaken'):
            serve(raiser(NameTaken())).get('/probe')

    def test_raises_if_only_a_base_class_of_the_error_is_declared(self, serve):
        with pytest.raises(AssertionError, match='does not declare NameTaken'):
            serve(raiser(NameTaken()), errors=[Conflict]).get('/probe')

    def test_accepts_implied_errors(self, failing):
        assert failing(BadRequest()).status_code == 400

    @pytest.mark.parametrize('error', [Forbidden, NotFound])
    def test_does_not_imply_errors_that_cannot_occur(self, serve, error):
        with pytest.raises(AssertionError, match='does not declare'):
            serve(raiser(error())).get('/probe')

    def test_returns_an_undeclared_error_outside_of_tests(self, failing):
        response = failing(NameTaken(), TESTING=False)

        fails_with(response, 'name', status=409, reason='Already taken')


class TestOnInvalid:
    def test_returns_422_with_reasons_by_field(self, serve):
        response = serve(lambda body: None, body=NameRequest).post('/probe', json={'x': 1})

        assert response.status_code == 422
        assert reasons(response) == {
            'name': ['Missing data for required field.'],
            'x': ['Unknown field.'],
        }

    @pytest.mark.parametrize('body', [[], 'text', 5, None, True])
    def test_uses_the_key_request_for_errors_of_the_whole_body(self, serve, body):
        client = serve(lambda body: None, body=NameRequest)

        response = client.post('/probe', data=to_json(body), content_type='application/json')

        fails_with(response, 'request', reason='Invalid input type.')

    def test_nests_errors_as_marshmallow_does(self, failing):
        response = failing(ValidationError({'tags': {0: ['Too long.']}}))

        assert reasons(response) == {'tags': {'0': ['Too long.']}}


class TestOnUnavailable:
    @pytest.mark.parametrize(
        ('error', 'code', 'message'),
        [
            (ServiceUnavailable('the disk /dev/sda is gone'), 503, 'Service Unavailable'),
            (InsufficientStorage(), 507, 'Insufficient Storage'),
        ],
    )
    def test_returns_503_or_507_and_logs_the_cause_only(
        self, failing, caplog, error, code, message
    ):
        response = failing(error)

        assert response.status_code == code
        assert response.headers['Retry-After'] == '5'
        assert error_of(response) == message
        assert f'unavailable: {error}' in caplog.messages


class TestHandleTemporaryFailure:
    @pytest.mark.parametrize(
        'error',
        [
            OperationalError('SELECT secret', {}, Exception('10.0.0.5 refused')),
            InterfaceError('SELECT secret', {}, Exception('10.0.0.5 refused')),
            PoolTimeout('QueuePool limit reached'),
            MemoryError(),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_returns_503_without_the_text_of_the_error(self, failing, error):
        response = failing(error)

        assert response.status_code == 503
        assert response.headers['Retry-After'] == '5'
        assert error_of(response) == 'Service Unavailable'

    def test_logs_the_cause(self, failing, caplog):
        error = OperationalError('SELECT', {}, Exception('10.0.0.5 refused'))

        failing(error)

        [record] = [r for r in caplog.records if r.message == 'unavailable: the database is lost']
        assert record.exc_info[1] is error
        assert '10.0.0.5 refused' in caplog.text

    def test_returns_507_when_the_database_is_full(self, serve):
        full = create_engine('sqlite://')

        def fill():
            with full.connect() as connection:
                connection.exec_driver_sql('PRAGMA max_page_count = 2')
                connection.exec_driver_sql('CREATE TABLE things (thing BLOB)')
                connection.exec_driver_sql('INSERT INTO things VALUES (zeroblob(100000))')

        response = serve(fill).post('/probe')
        full.dispose()

        assert response.status_code == 507
        assert error_of(response) == 'Insufficient Storage'


class TestOnParseError:
    def test_returns_400_for_a_body_that_gunicorn_cannot_parse(self, failing):
        response = failing(InvalidChunkSize(b'zz'))

        fails_with(response, 'request', status=400, reason='The body cannot be read')
        assert response.headers['Connection'] == 'close'


class TestOnHttpError:
    def test_returns_404_for_an_unknown_url(self, client):
        response = client.get('/nowhere')

        fails_with(response, 'url', status=404, reason='Not Found')

    def test_returns_404_for_a_url_with_an_empty_segment(self, client):
        for url in ('/api/v1//users', '/api//v1/users', '/api/v1/users/', '//', '/api/v1/%2f'):
            response = client.get(url)

            fails_with(response, 'url', status=404, reason='Not Found')

    @pytest.mark.parametrize('url', ['/%00', '/\xff', '/' + 'a' * 5000, '/..%2f..%2fetc/passwd'])
    def test_returns_404_for_a_malformed_url(self, client, url):
        response = client.get(url)

        fails_with(response, 'url', status=404, reason='Not Found')

    def test_returns_405_with_the_allowed_methods(self, client):
        response = client.post('/healthz')

        fails_with(response, 'method', status=405, reason='Method Not Allowed')
        assert set(response.allow) == {'GET', 'HEAD', 'OPTIONS'}

    @pytest.mark.parametrize('method', ['TRACE', 'FOO', 'PROPFIND'])
    def test_returns_405_for_an_unknown_method(self, client, method):
        response = client.open('/healthz', method=method)

        fails_with(response, 'method', status=405, reason='Method Not Allowed')

    @pytest.mark.parametrize(
        ('error', 'code', 'key'),
        [(RequestEntityTooLarge, 413, 'size'), (RequestURITooLarge, 414, 'request')],
    )
    def test_returns_the_client_errors_of_werkzeug_as_jsend(self, failing, error, code, key):
        response = failing(error())

        fails_with(response, key, status=code)

    def test_returns_503_with_the_retry_after_of_the_exception(self, failing):
        response = failing(ServiceUnavailable('/srv/secret is gone', retry_after=9))

        assert response.status_code == 503
        assert response.headers['Retry-After'] == '9'
        assert error_of(response) == 'Service Unavailable'

    @pytest.mark.parametrize(
        'error',
        [
            ZeroDivisionError('/srv/app/secret.py'),
            ProgrammingError('SELECT secret FROM users', {}, Exception('no such table')),
            OperationalError('SELECT secret', {}, ProgramLimitExceeded('index row of secret')),
            RuntimeError('password=hunter2'),
            OSError(2, 'No such file', '/srv/secret'),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_reports_a_bug_in_the_log_only(self, failing, caplog, error):
        response = failing(error)

        assert response.status_code == 500
        assert error_of(response) == 'Internal Server Error'
        for word in (
            'Traceback',
            'secret',
            'SELECT',
            '.py',
            'hunter2',
            '/srv',
            type(error).__name__,
        ):
            assert word not in response.text
        assert [r.exc_info[1] for r in caplog.records if r.levelname == 'ERROR'] == [error]

    def test_serves_the_next_request_after_a_bug(self, serve):
        def sometimes():
            if not seen:
                seen.append(1)
                raise ZeroDivisionError

        seen = []
        client = serve(sometimes, settings={'PROPAGATE_EXCEPTIONS': False})

        assert client.get('/probe').status_code == 500
        assert client.get('/probe').status_code == 200


class TestProblem:
    def test_returns_the_error_in_the_format_of_rfc_9457(self, failing):
        response = failing(
            NameTaken(), headers={**PROBLEM, 'X-Request-ID': 'abc'}, declared=[NameTaken]
        )

        assert response.status_code == 409
        assert response.mimetype == 'application/problem+json'
        assert response.json == {
            'type': 'about:blank',
            'title': 'Conflict',
            'status': 409,
            'detail': 'The request was rejected.',
            'errors': {'name': ['Already taken']},
            'request_id': 'abc',
        }

    def test_formats_500_as_well(self, failing):
        response = failing(ZeroDivisionError(), headers=PROBLEM)

        assert response.status_code == 500
        assert response.mimetype == 'application/problem+json'
        assert response.json['title'] == response.json['detail'] == 'Internal Server Error'
        assert 'errors' not in response.json

    def test_keeps_the_headers(self, serve):
        response = serve(lambda: None, allow=authenticated()).get('/probe', headers=PROBLEM)

        assert response.status_code == 401
        assert response.headers['WWW-Authenticate'] == 'Bearer realm="api"'

    def test_leaves_successful_responses_as_jsend(self, serve):
        response = serve(lambda: None).get('/probe', headers=PROBLEM)

        assert response.mimetype == 'application/json'
        assert data(response) is None

    @pytest.mark.parametrize(
        ('accept', 'mimetype'),
        [
            ('*/*', 'application/json'),
            ('', 'application/json'),
            ('application/json', 'application/json'),
            ('text/html', 'application/json'),
            ('application/*', 'application/json'),
            ('application/json, Application/Problem+JSON;q=0.9', 'application/json'),
            ('application/json;q=0.8, Application/Problem+JSON;q=0.9', 'application/problem+json'),
            ('application/json, application/problem+json', 'application/problem+json'),
            ('application/problem+json, */*;q=0.1', 'application/problem+json'),
            ('application/problem+json;q=0.1, */*;q=0.5', 'application/json'),
            ('application/problem+json;q=0.5, text/html', 'application/problem+json'),
            ('application/json;q=0, */*', 'application/problem+json'),
            ('application/json;q=0.1, application/*;q=0.2', 'application/problem+json'),
            ('application/problem+json; charset=utf-8', 'application/problem+json'),
            ('application/problem+json;q=0', 'application/json'),
            ('application/problem+json;q=0, application/json;q=0', 'application/json'),
            ('application/problem+json;q=0, */*', 'application/json'),
            ('application/problem+json;q=high', 'application/json'),
            ('application/problem+json;q=-1', 'application/json'),
            (';;,, ,/', 'application/json'),
            ('application/problem+jsonx', 'application/json'),
        ],
    )
    def test_is_chosen_by_the_quality_in_accept(self, client, accept, mimetype):
        assert client.get('/nowhere', headers={'Accept': accept}).mimetype == mimetype
