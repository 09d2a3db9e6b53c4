"""Schedules: the time of the next run of a periodic task."""

from datetime import UTC, datetime, timedelta

import pytest

from project.core.tasks.schedules import CronSchedule, IntervalSchedule

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)  # A Monday; the cron tests depend on it.
SECOND = timedelta(seconds=1)


class TestIntervalSchedule:
    @pytest.mark.parametrize(
        ('period', 'moment', 'following'),
        [
            (timedelta(minutes=5), NOON + 2 * SECOND, NOON + timedelta(minutes=5)),
            (timedelta(minutes=5), NOON - SECOND, NOON),
            (timedelta(hours=1), NOON + timedelta(minutes=59), NOON + timedelta(hours=1)),
            (timedelta(days=1), NOON, datetime(2026, 11, 24, tzinfo=UTC)),
            (SECOND, NOON + timedelta(microseconds=1), NOON + SECOND),
        ],
    )
    def test_is_aligned_to_the_epoch(self, period, moment, following):
        assert IntervalSchedule(period).next_after(moment) == following

    def test_is_after_the_given_time_even_if_that_is_due(self):
        assert IntervalSchedule(timedelta(minutes=5)).next_after(NOON) == NOON + timedelta(
            minutes=5
        )

    def test_has_a_readable_rule(self):
        assert IntervalSchedule(timedelta(minutes=5)).rule == 'every 300 s'
        assert IntervalSchedule(timedelta(seconds=1.5)).rule == 'every 1.5 s'

    @pytest.mark.parametrize('period', [timedelta(0), timedelta(seconds=-5), SECOND * 0.999])
    def test_rejects_a_period_of_less_than_a_second(self, period):
        with pytest.raises(ValueError, match='at least one second'):
            IntervalSchedule(period)


class TestCronSchedule:
    @pytest.mark.parametrize(
        ('expression', 'following'),
        [
            ('* * * * *', NOON + timedelta(minutes=1)),
            ('*/15 * * * *', NOON + timedelta(minutes=15)),
            ('0 12 * * *', NOON + timedelta(days=1)),
            ('30 3 * * SUN', datetime(2026, 11, 29, 3, 30, tzinfo=UTC)),
            ('0 9 * * MON-FRI', datetime(2026, 11, 24, 9, tzinfo=UTC)),
            ('0 0 29 2 *', datetime(2028, 2, 29, tzinfo=UTC)),
        ],
    )
    def test_is_in_utc(self, expression, following):
        assert CronSchedule(expression).next_after(NOON) == following

    def test_has_its_expression_as_rule(self):
        assert CronSchedule('0 12 * * *').rule == '0 12 * * *'

    @pytest.mark.parametrize(
        'expression',
        ['', 'daily', '* * * *', '61 * * * *', '*/0 * * * *', '0 0 30 2 *', 'a b c d e'],
    )
    def test_rejects_an_invalid_expression_and_one_that_never_matches(self, expression):
        with pytest.raises(ValueError, match='is not a cron rule'):
            CronSchedule(expression)

    def test_rejects_a_sixth_field(self):
        with pytest.raises(ValueError, match='is not a cron rule'):
            CronSchedule('* * * * * *')
