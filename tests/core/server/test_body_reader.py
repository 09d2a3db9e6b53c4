"""The minimum rate at which a request body must arrive.

`test_worker.py` tests that bodies are read while they arrive.
"""

import time

from project.core.server.body_reader import BodyRate


class TestBodyRate:
    def test_is_measured_once_per_window(self) -> None:
        rate = BodyRate(min_rate=100, window=30)

        assert not rate.is_too_slow(0, 29)
        assert rate.is_too_slow(2999, 1)

    def test_starts_again_with_each_window(self) -> None:
        rate = BodyRate(min_rate=100, window=30)

        assert not rate.is_too_slow(1_000_000, 30)
        assert not rate.is_too_slow(0, 29)
        assert rate.is_too_slow(0, 1)

    def test_counts_only_the_time_spent_waiting(self) -> None:
        rate = BodyRate(min_rate=100, window=30)

        assert not any(rate.is_too_slow(1, 0) for _ in range(1000))

    def test_is_too_slow_after_the_deadline_at_any_rate(self) -> None:
        rate = BodyRate(min_rate=100, window=30, deadline=time.monotonic() - 1)

        assert rate.is_too_slow(1_000_000, 0)

    def test_limits_a_read_to_the_rest_of_the_window_or_the_deadline(self) -> None:
        rate = BodyRate(min_rate=100, window=30)
        rate.is_too_slow(0, 10)
        soon = BodyRate(min_rate=100, window=30, deadline=time.monotonic() + 5)

        assert rate.seconds_left == 20
        assert 4 < soon.seconds_left <= 5
