"""Responses to bytes that gunicorn cannot parse as an HTTP request."""

import json
from http import HTTPStatus
from typing import Any

import pytest
from gunicorn.http.errors import ConfigurationProblem, InvalidHTTPVersion, LimitRequestLine

from project.core.server.parser_error_responses import (
    ResponseRecorder,
    cors_headers,
    error_response,
)
from project.core.web.responses.headers import API, HSTS
from tests.service import ROOT


class TestResponseRecorder:
    def test_reads_the_status_from_the_written_response(self) -> None:
        page = ResponseRecorder()
        page.sendall(b'HTTP/1.1 414 URI')
        page.sendall(b' Too Long\r\n\r\n')

        assert page.status_for(LimitRequestLine(9, 8)) == HTTPStatus.REQUEST_URI_TOO_LONG
        assert page.gettimeout() == 0

    @pytest.mark.parametrize(('version', 'status'), [((2, 0), 505), ('HTTP/x', 400)])
    def test_has_status_505_for_another_major_version(self, version: Any, status: int) -> None:
        page = ResponseRecorder()
        page.sendall(b'HTTP/1.1 400 Bad Request')

        assert page.status_for(InvalidHTTPVersion(version)) == status

    def test_has_status_404_for_a_path_outside_the_prefix_of_the_service(self) -> None:
        page = ResponseRecorder()
        page.sendall(b'HTTP/1.1 500 Internal Server Error')

        assert page.status_for(ConfigurationProblem('/x')) == HTTPStatus.NOT_FOUND


class TestCorsHeaders:
    HEAD = b'GET / HTTP/1.1\r\nOrigin:  https://a.test \r\n\r\n'

    def test_allow_a_page_that_cors_origins_names(self) -> None:
        headers = cors_headers(self.HEAD, ['https://a.test'])

        assert headers['Access-Control-Allow-Origin'] == 'https://a.test'
        assert 'Retry-After' in headers['Access-Control-Expose-Headers']

    def test_allow_it_before_the_head_has_ended(self) -> None:
        assert cors_headers(self.HEAD[:-2] + b'X-Many: 1', ['https://a.test'])

    @pytest.mark.parametrize(
        'received',
        [
            HEAD.replace(b'a.test', b'b.test'),
            b'GET / HTTP/1.1\r\n\r\n' + HEAD,
            b'GET / HTTP/1.1\r\nOrigin: https://a.test',
            b'',
        ],
    )
    def test_are_missing_for_all_others(self, received: bytes) -> None:
        assert cors_headers(received, ['https://a.test']) == {}


class TestErrorResponse:
    def test_returns_fail_with_a_reason_for_a_client_error(self) -> None:
        head, body = error_response(HTTPStatus.BAD_REQUEST, 'abc').split(b'\r\n\r\n')

        assert json.loads(body) == {
            'status': 'fail',
            'data': {'request': [HTTPStatus.BAD_REQUEST.description]},
        }
        assert head.startswith(b'HTTP/1.1 400 Bad Request\r\n')
        assert b'\r\nX-Request-ID: abc\r\n' in head

    def test_adds_the_given_headers(self) -> None:
        head, _ = error_response(HTTPStatus.CONFLICT, 'abc', {'A': 'b'}).split(b'\r\n\r\n')

        assert head.endswith(b'\r\nA: b')

    def test_returns_error_without_details_for_a_server_error(self) -> None:
        _, body = error_response(HTTPStatus.INTERNAL_SERVER_ERROR, 'abc').split(b'\r\n\r\n')

        assert json.loads(body) == {
            'status': 'error',
            'message': 'Internal Server Error',
            'code': 500,
        }


class TestHeaders:
    def test_are_those_of_the_api(self) -> None:
        head, _ = error_response(HTTPStatus.BAD_REQUEST, 'abc').split(b'\r\n\r\n')

        assert {f'{name}: {value}' for name, value in API} <= set(head.decode().split('\r\n'))

    def test_are_those_of_error_responses_of_nginx(self) -> None:
        configuration = (ROOT / 'deploy' / 'nginx.conf').read_text().replace('"', '')

        missing = [n for n, v in API if f'add_header {n} {v} always;' not in configuration]

        assert missing == []
        assert f'https {HSTS[1]};' in configuration
        assert f'add_header {HSTS[0]} $hsts always;' in configuration
