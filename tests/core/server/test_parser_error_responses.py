"""Responses to bytes that gunicorn cannot parse as an HTTP request."""

import json
from http import HTTPStatus

from project.core.server.parser_error_responses import ResponseRecorder, error_response
from project.core.web.responses.headers import API
from tests.service import ROOT


class TestResponseRecorder:
    def test_reads_the_status_from_the_written_response(self) -> None:
        page = ResponseRecorder()
        page.sendall(b'HTTP/1.1 414 URI')
        page.sendall(b' Too Long\r\n\r\n')

        assert page.status == HTTPStatus.REQUEST_URI_TOO_LONG
        assert page.gettimeout() == 0


class TestErrorResponse:
    def test_returns_fail_with_a_reason_for_a_client_error(self) -> None:
        head, body = error_response(HTTPStatus.BAD_REQUEST, 'abc').split(b'\r\n\r\n')

        assert json.loads(body) == {
            'status': 'fail',
            'data': {'request': [HTTPStatus.BAD_REQUEST.description]},
        }
        assert head.startswith(b'HTTP/1.1 400 Bad Request\r\n')
        assert head.endswith(b'\r\nX-Request-ID: abc')

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
