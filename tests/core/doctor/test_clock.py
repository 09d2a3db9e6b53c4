"""The check of the clock."""

import pytest

from project.core.doctor.clock import clock_difference, clock_finding


class TestClockDifference:
    @pytest.mark.parametrize(
        ('other', 'difference'),
        [
            # This clock shows 100 before the request, and 104 after the response.
            (100, 0), (102, 0), (104, 0), (99, 0), (105, 0), (90, 10), (110, -6),
        ],
    )  # fmt: skip
    def test_is_the_least_possible_one(self, other, difference):
        moments = iter([100.0, 104.0])

        assert clock_difference(lambda: other, lambda: next(moments)) == difference


class TestClockFinding:
    @pytest.mark.parametrize(
        ('difference', 'state'), [(0, 'ok'), (2, 'ok'), (-2, 'ok'), (2.1, 'failed'), (-9, 'failed')]
    )
    def test_tolerates_two_seconds(self, difference, state):
        assert clock_finding('database', difference).state == state

    def test_names_the_direction(self):
        assert 'is 9.0 s behind that of the storage' in clock_finding('storage', -9).seen
