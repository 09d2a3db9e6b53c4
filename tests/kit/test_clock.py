"""The clock of the kit: the fixture `travel`."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from project.core.clock import now
from tests.kit.clock import Travel

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class TestTravel:
    def test_stops_the_clock_and_moves_it(self, travel):
        travel(to=NOON)
        assert now() == now() == NOON

        travel(days=3, hours=-1)
        assert now() == NOON + timedelta(days=3, hours=-1)

        travel(timedelta(seconds=-30))
        assert now() == NOON + timedelta(days=3, hours=-1, seconds=-30)
        assert time.time() == now().timestamp()

    def test_restores_the_time_at_the_end_of_a_block(self, travel):
        travel(to=NOON)

        with travel(days=1) as moment:
            assert moment == now() == NOON + timedelta(days=1)
            travel(hours=1)
            with travel(hours=1):
                assert now() == NOON + timedelta(days=1, hours=2)
            assert now() == NOON + timedelta(days=1, hours=1)

        assert now() == NOON

    def test_restores_the_time_after_an_error(self, travel):
        travel(to=NOON)

        with pytest.raises(ZeroDivisionError), travel(days=1):
            raise ZeroDivisionError

        assert now() == NOON

    def test_restores_the_real_clock(self):
        before = time.time_ns()
        with Travel() as travel:
            travel(days=1)
            travel(days=1)

        readings = [time.time_ns() for _ in range(1000)]
        assert before <= readings[0] < readings[-1] <= before + 60 * 10**9

    def test_raises_for_an_unknown_unit(self, travel):
        with pytest.raises(ValueError, match="unknown unit 'day': a unit is one of weeks, days"):
            travel(day=1)

    def test_raises_without_a_length_and_with_two(self, travel):
        for given in ({}, {'days': 1, 'to': NOON}):
            with pytest.raises(ValueError, match='give one length or moment'):
                travel(**given)
        with pytest.raises(ValueError, match='give one length or moment'):
            travel(timedelta(days=1), days=1)

    def test_raises_for_a_moment_without_a_time_zone(self, travel):
        with pytest.raises(ValueError, match='has no time zone'):
            travel(to=NOON.replace(tzinfo=None))
