"""JSend, the format of every response body."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import orjson
import pytest

from project.core.web.responses.jsend import api_error, api_fail, api_success, to_json


class TestJson:
    def test_writes_timestamps_and_uuids(self, app):
        moment = datetime(2026, 11, 23, 12, tzinfo=UTC)

        text = app.json.dumps({'at': moment, 'id': UUID(int=1)})

        assert text == '{"at":"2026-11-23T12:00:00Z","id":"00000000-0000-0000-0000-000000000001"}'

    def test_reads_its_own_output(self, app):
        assert app.json.loads(app.json.dumps({'a': ['ü', 1, None]})) == {'a': ['ü', 1, None]}


class TestToJson:
    def test_treats_a_time_without_a_zone_as_utc(self):
        naive = datetime(2026, 11, 23, 12, tzinfo=UTC).replace(tzinfo=None)

        assert to_json(naive) == b'"2026-11-23T12:00:00Z"'

    def test_writes_types_that_json_lacks(self):
        assert to_json([Decimal('1.50'), timedelta(minutes=1), b'a']) == b'["1.50",60,"YQ=="]'

    def test_raises_for_an_unsupported_type(self):
        with pytest.raises(TypeError):
            to_json(object())


class TestApiSuccess:
    def test_contains_only_status_and_data(self, app):
        with app.test_request_context():
            response = api_success([1], 202)

        assert (response.status_code, response.mimetype) == (202, 'application/json')
        assert orjson.loads(response.data) == {'status': 'success', 'data': [1]}


class TestApiFail:
    def test_contains_only_status_and_data(self, app):
        with app.test_request_context():
            response = api_fail({'name': ['No.']}, 409, {'Retry-After': '1'})

        assert (response.status_code, response.mimetype) == (409, 'application/json')
        assert response.headers['Retry-After'] == '1'
        assert orjson.loads(response.data) == {'status': 'fail', 'data': {'name': ['No.']}}


class TestApiError:
    def test_contains_only_status_message_and_code(self, app):
        with app.test_request_context():
            response = api_error('Out of order', 503)

        assert (response.status_code, response.mimetype) == (503, 'application/json')
        assert orjson.loads(response.data) == {
            'status': 'error', 'message': 'Out of order', 'code': 503,
        }  # fmt: skip
