"""The kinds of no."""

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


class TestFail:
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
    def test_is_of_a_kind_that_owns_a_status_and_a_key(self, kind, code, field):
        refusal = kind()

        assert isinstance(refusal, ApiError)
        assert refusal.http_code == code
        assert refusal.data == {field: [kind.reason]}

    def test_is_filled_in_by_a_feature_with_two_words(self):
        assert EmailTaken().data == {'email': ['Already registered']}
        assert EmailTaken().http_code == 409

    def test_may_say_more_than_its_kind(self):
        assert EmailTaken('Registered yesterday').data == {'email': ['Registered yesterday']}

    def test_shares_its_headers_with_no_other(self):
        EmailTaken().headers['X'] = '1'

        assert EmailTaken().headers == {}


class TestUnauthorized:
    def test_says_how_to_authenticate(self):
        assert Unauthorized('Who?').headers == {'WWW-Authenticate': 'Bearer'}


class TestRangeNotSatisfiable:
    def test_says_how_long_the_content_is(self):
        assert RangeNotSatisfiable(10).headers == {'Content-Range': 'bytes */10'}
        assert RangeNotSatisfiable(0).headers == {'Content-Range': 'bytes */0'}

    def test_says_nothing_without_a_size(self):
        assert RangeNotSatisfiable().headers == {}


class TestTooMany:
    def test_never_invites_to_come_back_at_once(self):
        assert TooManyRequests(90).headers == {'Retry-After': '90'}
        assert TooManyRequests(0).headers == {'Retry-After': '1'}


class TestUnavailable:
    def test_is_our_fault_and_not_the_request_s(self):
        assert not issubclass(ServiceUnavailable, ApiError)
        assert ServiceUnavailable().http_code == 503

    def test_keeps_what_is_logged_from_clients(self):
        error = ServiceUnavailable('the disk is gone', retry_after=9)

        assert (str(error), error.reason) == ('the disk is gone', 'Service Unavailable')
        assert error.retry_after == 9


class TestStorageFull:
    def test_has_a_status_of_its_own(self):
        assert InsufficientStorage().http_code == 507
        assert str(InsufficientStorage()) == 'Insufficient Storage'
