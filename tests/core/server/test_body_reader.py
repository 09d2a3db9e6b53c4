"""The rate of a body; that bodies are read as they are sent, `test_worker.py` proves."""

import time

from project.core.server.body_reader import BodyRate


class TestBodyRate:
    def test_is_judged_once_in_a_window(self) -> None:
        rate = BodyRate(min_rate=100, window=30)

        assert not rate.is_too_slow(0, 29)
        assert rate.is_too_slow(2999, 1)

    def test_begins_anew_with_each_window(self) -> None:
        rate = BodyRate(min_rate=100, window=30)

        assert not rate.is_too_slow(1_000_000, 30)
        assert not rate.is_too_slow(0, 29)
        assert rate.is_too_slow(0, 1)

    def test_counts_only_the_time_of_waiting(self) -> None:
        rate = BodyRate(min_rate=100, window=30)

        assert not any(rate.is_too_slow(1, 0) for _ in range(1000))

    def test_ends_at_the_deadline_however_fast_it_is(self) -> None:
        rate = BodyRate(min_rate=100, window=30, deadline=time.monotonic() - 1)

        assert rate.is_too_slow(1_000_000, 0)

    def test_lets_a_read_wait_for_the_rest_of_the_window_or_until_the_deadline(self) -> None:
        rate = BodyRate(min_rate=100, window=30)
        rate.is_too_slow(0, 10)
        soon = BodyRate(min_rate=100, window=30, deadline=time.monotonic() + 5)

        assert rate.seconds_left == 20
        assert 4 < soon.seconds_left <= 5
