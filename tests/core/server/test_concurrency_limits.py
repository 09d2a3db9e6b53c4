"""Concurrency limits: requests that run, wait for a thread, or have waited too long."""

import pytest

from project.core.errors import TooManyRequests
from project.core.server.concurrency_limits import ClientLimiter, ConcurrencyLimiter


class TestAcquire:
    def test_makes_requests_wait_when_all_slots_are_occupied(self) -> None:
        limiter = ConcurrencyLimiter(2)

        assert [limiter.acquire(conn) for conn in 'abc'] == [True, True, False]
        assert limiter.is_full

    def test_makes_requests_wait_when_their_client_has_its_share(self) -> None:
        limiter = ConcurrencyLimiter(9, max_per_key=2)

        assert [limiter.acquire(conn, ['client']) for conn in 'abc'] == [True, True, False]
        assert limiter.acquire('d', ['other client'])

    def test_counts_a_request_under_each_of_its_keys(self) -> None:
        limiter = ConcurrencyLimiter(9, max_per_key=1)
        limiter.acquire('a', ['address', 'credential'])

        assert not limiter.acquire('b', ['other address', 'credential'])
        assert not limiter.acquire('c', ['address', 'other credential'])


class TestRelease:
    def test_starts_waiting_requests_in_order(self) -> None:
        limiter = ConcurrencyLimiter(1)
        for conn in 'abc':
            limiter.acquire(conn)

        assert list(limiter.release('a')) == ['b']
        assert list(limiter.release('b')) == ['c']
        assert list(limiter.release('c')) == []
        assert limiter.acquire('d')

    def test_skips_a_client_that_has_its_share(self) -> None:
        limiter = ConcurrencyLimiter(2, max_per_key=1)
        limiter.acquire('a', ['greedy'])
        limiter.acquire('b', ['modest'])
        limiter.acquire('c', ['greedy'])
        limiter.acquire('d', ['modest'])

        assert list(limiter.release('b')) == ['d']
        assert list(limiter.release('a')) == ['c']


class TestReleaseKey:
    def test_starts_another_request_of_the_key(self) -> None:
        limiter = ConcurrencyLimiter(9, max_per_key=1)
        limiter.acquire('a', ['address', 'credential'])
        limiter.acquire('b', ['address'])

        assert list(limiter.release_key('a', 'address')) == ['b']
        assert list(limiter.release_key('a', 'address')) == []
        assert list(limiter.release('a')) == []
        assert limiter.counts == {'address': 1}


class TestPopExpired:
    def test_yields_requests_that_waited_too_long(self) -> None:
        limiter = ConcurrencyLimiter(1, queue_timeout_seconds=-1.0)
        for conn in 'abc':
            limiter.acquire(conn)

        assert list(limiter.pop_expired()) == ['b', 'c']
        assert list(limiter.release('a')) == []

    def test_does_not_yield_requests_within_the_timeout(self) -> None:
        limiter = ConcurrencyLimiter(1)
        limiter.acquire('a')
        limiter.acquire('b')

        assert list(limiter.pop_expired()) == []


class TestClientLimiter:
    def test_raises_when_a_client_has_too_many(self) -> None:
        limiter = ClientLimiter(max_per_client=2)
        for conn in 'ab':
            limiter.claim(conn, 1)

        with pytest.raises(TooManyRequests):
            limiter.claim('c', 1)
        limiter.claim('d', 2)

    def test_raises_when_all_together_have_too_many(self) -> None:
        limiter = ClientLimiter(max_per_client=2, max_total=2)
        limiter.claim('a', 1)
        limiter.claim('b', 2)

        with pytest.raises(TooManyRequests):
            limiter.claim('c', 3)

    def test_counts_a_connection_once(self) -> None:
        limiter = ClientLimiter(max_per_client=1)

        limiter.claim('a', 1)
        limiter.claim('a', 1)

    def test_stops_counting_after_the_release(self) -> None:
        limiter = ClientLimiter(max_per_client=1)
        limiter.claim('a', 1)

        limiter.release('a')
        limiter.release('a')

        limiter.claim('b', 1)
        # The second release has no effect: `b` still counts, so `c` exceeds the limit.
        with pytest.raises(TooManyRequests):
            limiter.claim('c', 1)
