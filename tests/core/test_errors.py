"""The kinds of no."""

import pytest

from project.core import errors
from project.core.errors import (
    Conflict,
    Fail,
    RangeNotSatisfiable,
    StorageFull,
    TooMany,
    Unauthorized,
    Unavailable,
)


class EmailTaken(Conflict):
    field, reason = 'email', 'Already registered'


class TestFail:
    @pytest.mark.parametrize(
        ('kind', 'code', 'field'),
        [
            (errors.Malformed, 400, 'request'),
            (errors.Unauthorized, 401, 'authorization'),
            (errors.Forbidden, 403, 'permission'),
            (errors.NotFound, 404, 'url'),
            (errors.Conflict, 409, 'request'),
            (errors.PreconditionFailed, 412, 'etag'),
            (errors.TooLarge, 413, 'size'),
            (errors.UnsupportedType, 415, 'content_type'),
            (errors.RangeNotSatisfiable, 416, 'range'),
            (errors.Invalid, 422, 'request'),
            (errors.TooMany, 429, 'rate'),
        ],
    )
    def test_is_of_a_kind_that_owns_a_status_and_a_key(self, kind, code, field):
        refusal = kind()

        assert isinstance(refusal, Fail)
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
        assert TooMany(90).headers == {'Retry-After': '90'}
        assert TooMany(0).headers == {'Retry-After': '1'}


class TestUnavailable:
    def test_is_our_fault_and_not_the_request_s(self):
        assert not issubclass(Unavailable, Fail)
        assert Unavailable().http_code == 503

    def test_keeps_what_the_log_is_told_from_what_clients_are(self):
        error = Unavailable('the disk is gone', retry_after=9)

        assert (str(error), error.reason) == ('the disk is gone', 'Service Unavailable')
        assert error.retry_after == 9


class TestStorageFull:
    def test_has_a_status_of_its_own(self):
        assert StorageFull().http_code == 507
        assert str(StorageFull()) == 'Insufficient Storage'
