"""The error classes of the API."""

import pytest

from project.core import errors
from project.core.errors import (
    ApiError,
    Conflict,
    InsufficientStorage,
    RangeNotSatisfiable,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)


class EmailTaken(Conflict):
    field, reason = 'email', 'Already registered'


class TestApiError:
    @pytest.mark.parametrize(
        ('kind', 'code', 'field'),
        [
            (errors.BadRequest, 400, 'request'),
            (errors.Unauthorized, 401, 'authorization'),
            (errors.Forbidden, 403, 'permission'),
            (errors.NotFound, 404, 'url'),
            (errors.Conflict, 409, 'request'),
            (errors.PreconditionFailed, 412, 'etag'),
            (errors.ContentTooLarge, 413, 'size'),
            (errors.UnsupportedMediaType, 415, 'content_type'),
            (errors.RangeNotSatisfiable, 416, 'range'),
            (errors.UnprocessableContent, 422, 'request'),
            (errors.TooManyRequests, 429, 'rate'),
        ],
    )
    def test_has_the_status_and_key_of_its_class(self, kind, code, field):
        error = kind()

        assert isinstance(error, ApiError)
        assert error.http_code == code
        assert error.data == {field: [kind.reason]}

    def test_takes_key_and_reason_from_a_subclass(self):
        assert EmailTaken().data == {'email': ['Already registered']}
        assert EmailTaken().http_code == 409

    def test_accepts_another_reason(self):
        assert EmailTaken('Registered yesterday').data == {'email': ['Registered yesterday']}

    def test_does_not_share_its_headers_with_other_errors(self):
        EmailTaken().headers['X'] = '1'

        assert EmailTaken().headers == {}


class TestUnauthorized:
    def test_has_the_header_www_authenticate(self):
        assert Unauthorized('Who?').headers == {'WWW-Authenticate': 'Bearer realm="api"'}

    def test_names_the_error_of_a_bearer_token(self):
        challenge = 'Bearer realm="api", error="invalid_token"'

        assert Unauthorized(error='invalid_token').headers == {'WWW-Authenticate': challenge}


class TestRangeNotSatisfiable:
    def test_has_the_content_length_in_content_range(self):
        assert RangeNotSatisfiable(10).headers == {'Content-Range': 'bytes */10'}
        assert RangeNotSatisfiable(0).headers == {'Content-Range': 'bytes */0'}

    def test_has_no_header_without_a_size(self):
        assert RangeNotSatisfiable().headers == {}


class TestTooManyRequests:
    def test_has_a_retry_after_of_at_least_one_second(self):
        assert TooManyRequests(90).headers == {'Retry-After': '90'}
        assert TooManyRequests(0).headers == {'Retry-After': '1'}


class TestServiceUnavailable:
    def test_is_not_an_error_of_the_request(self):
        assert not issubclass(ServiceUnavailable, ApiError)
        assert ServiceUnavailable().http_code == 503

    def test_hides_its_message_from_clients(self):
        error = ServiceUnavailable('the disk is gone', retry_after=9)

        assert (str(error), error.reason) == ('the disk is gone', 'Service Unavailable')
        assert error.retry_after == 9


class TestInsufficientStorage:
    def test_has_the_status_507(self):
        assert InsufficientStorage().http_code == 507
        assert str(InsufficientStorage()) == 'Insufficient Storage'
