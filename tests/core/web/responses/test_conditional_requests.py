"""The decision about the preconditions of a request (RFC 9110 §13)."""

from datetime import UTC, datetime
from itertools import product

import pytest

from project.core.errors import PreconditionFailed
from project.core.web.responses.conditional_requests import (
    Outcome,
    evaluate_preconditions,
    parse_http_date,
)
from tests.conditional_routes import KINDS, expected_status, headers_of

ETAG = 'abc'
MODIFIED = datetime(2026, 11, 23, 8, 30, 5, 900_000, UTC)
DATE = 'Mon, 23 Nov 2026 08:30:05 GMT'
PRECONDITIONS = ('If-Match', 'If-Unmodified-Since', 'If-None-Match', 'If-Modified-Since')
STATUSES = {Outcome.SEND: 206, Outcome.SEND_WHOLE: 200, Outcome.NOT_MODIFIED: 304}


def decide(app, method, headers, last_modified=MODIFIED):
    """Return the decision about a request, as a status."""
    with app.test_request_context(method=method, headers=headers):
        try:
            return STATUSES[evaluate_preconditions(ETAG, last_modified)]
        except PreconditionFailed:
            return 412


class TestEvaluatePreconditions:
    @pytest.mark.parametrize('method', ['GET', 'HEAD'])
    def test_decides_on_all_combinations_in_the_order_of_the_rfc(self, app, method):
        found = []
        choices = [(None, *KINDS[name]) for name in PRECONDITIONS]
        for kinds in product(*choices):
            cell = {name: kind for name, kind in zip(PRECONDITIONS, kinds, strict=True) if kind}
            wanted = expected_status(method, cell, is_dated=True, has_ranges=False)
            got = decide(app, method, headers_of(cell, f'"{ETAG}"', DATE))
            # Without a condition that decides, the content may be sent in ranges.
            if got != (206 if wanted in (None, 200) else wanted):
                found.append((cell, got, wanted))

        assert found == []

    @pytest.mark.parametrize(
        ('condition', 'status'),
        [
            ('"abc"', 206),
            (' "abc" ', 206),
            ('W/"abc"', 200),
            ('"x"', 200),
            ('abc', 200),
            (DATE, 200),
        ],
    )
    def test_allows_ranges_only_for_the_same_strong_tag(self, app, condition, status):
        assert decide(app, 'GET', {'Range': 'bytes=0-', 'If-Range': condition}) == status

    @pytest.mark.parametrize('header', ['If-Modified-Since', 'If-Unmodified-Since'])
    def test_ignores_dates_if_the_content_has_none(self, app, header):
        for date in ('Mon, 23 Nov 2009 08:30:05 GMT', 'Mon, 23 Nov 2099 08:30:05 GMT'):
            assert decide(app, 'GET', {header: date}, last_modified=None) == 206


class TestParseHttpDate:
    @pytest.mark.parametrize(
        'text',
        [
            'Sun, 06 Nov 1994 08:49:37 GMT',
            'Sunday, 06-Nov-94 08:49:37 GMT',
            'Sun Nov  6 08:49:37 1994',
        ],
    )
    def test_reads_the_three_formats(self, text):
        assert parse_http_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)

    @pytest.mark.parametrize(
        'text',
        [
            '', 'yesterday', '2026-11-23T08:30:00Z', 'Sun, 32 Nov 1994 08:49:37 GMT',
            'Sun, 06 Nov 1994 08:49:37 +0100', 'Sun, 06 Nov 1994 08:49:60 GMT',
            f'{DATE}, {DATE}',
        ],
    )  # fmt: skip
    def test_returns_none_for_other_text(self, text):
        assert parse_http_date(text) is None
