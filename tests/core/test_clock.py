"""`project.core.clock`: the current time, and the conversion of times to and from text."""

from datetime import UTC, datetime, timedelta

import pytest

from project.core.clock import is_recent, now, parse_rfc3339


class TestNow:
    def test_returns_an_aware_time_in_utc(self, travel):
        travel(to=datetime(2026, 11, 23, 8, 30, tzinfo=UTC))

        assert now() == datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
        assert now().tzinfo is UTC


class TestIsRecent:
    @pytest.mark.parametrize(
        ('seconds', 'expected'),
        [(-10, False), (-9, True), (0, True), (2, True), (3, False), (86_400, False)],
    )
    @pytest.mark.usefixtures('travel')
    def test_is_true_within_the_period_and_not_in_the_future(self, seconds, expected):
        moment = now() + timedelta(seconds=seconds)

        assert is_recent(moment, timedelta(seconds=10)) is expected


class TestParseRfc3339:
    @pytest.mark.parametrize(
        'text',
        [
            '2026-11-23T12:00:00Z',
            '2026-11-23t12:00:00z',
            '2026-11-23T12:00:00.000000999Z',
            '2026-11-23T12:00:00-00:00',
            '2026-11-23T13:30:00+01:30',
            '2026-11-22T12:01:00-23:59',
        ],
    )
    def test_returns_the_time_in_utc(self, text):
        assert parse_rfc3339(text) == datetime(2026, 11, 23, 12, tzinfo=UTC)
        assert parse_rfc3339(text).tzinfo is UTC

    def test_keeps_microseconds(self):
        assert parse_rfc3339('2026-11-23T12:00:00.5Z').microsecond == 500_000
        assert parse_rfc3339('2026-11-23T12:00:00.000005Z').microsecond == 5

    @pytest.mark.parametrize(
        'text',
        [
            '', '2030-01-01', '2030-W01-1T00:00:00Z', '20300101T000000Z', '2030-01-01T00:00:00',
            '2030-01-01 00:00:00Z', '2030-01-01T00:00Z', '2030-01-01T00Z', '2030-01-01T00:00:00+01',
            '2030-01-01T00:00:00+0100', '2030-01-01T00:00:00,5Z', '2030-01-01T00:00:00.Z',
            '2030-01-01T24:00:00Z', '2030-01-01T23:59:60Z', '2030-01-01T00:00:00+24:00',
            '2030-02-30T00:00:00Z', '2030-13-01T00:00:00Z', '0000-01-01T00:00:00Z',
            ' 2030-01-01T00:00:00Z', '2030-01-01T00:00:00Z\n', '２０３０-01-01T00:00:00Z',
            '+12030-01-01T00:00:00Z', '2030-01-01T00:00:00+01:00:30',
        ],
    )  # fmt: skip
    def test_raises_for_another_format(self, text):
        with pytest.raises(ValueError, match=r'not a date-time|out of range|must be in'):
            parse_rfc3339(text)

    @pytest.mark.parametrize(
        'text',
        [
            '9999-12-31T23:59:59-01:00', '9999-12-31T23:59:59Z', '9899-12-31T23:59:59-00:01',
            '0001-01-01T00:00:00Z', '0001-01-01T00:00:00+01:00', '0101-01-01T00:00:00+00:01',
        ],
    )  # fmt: skip
    def test_raises_for_a_time_that_is_too_early_or_too_late(self, text):
        with pytest.raises(ValueError, match='too early or too late'):
            parse_rfc3339(text)
