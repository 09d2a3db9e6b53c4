"""Lanes: who runs, who waits, and who has waited too long."""

from project.core.server.concurrency_limits import COSTLY_REQUEST_PATTERN, ConcurrencyLimiter


class TestCostly:
    def test_is_what_hashes_a_password_and_nothing_else(self) -> None:
        costly = (b'POST /api/v1/auth/sessions HTTP', b'PUT /api/v1/auth/password?x HTTP')
        others = (
            b'GET /api/v1/auth/sessions HTTP', b'POST /api/v1/auth/sessions/refresh HTTP',
            b'POST /api/v1/auth/keys HTTP', b'GET /healthz HTTP',
        )  # fmt: skip

        assert all(map(COSTLY_REQUEST_PATTERN.match, costly))
        assert not any(map(COSTLY_REQUEST_PATTERN.match, others))


class TestEnter:
    def test_lets_so_many_run_and_the_others_wait(self) -> None:
        lane = ConcurrencyLimiter()

        assert [lane.acquire(conn, 2) for conn in 'abc'] == [True, True, False]

    def test_is_open_again_when_one_has_left(self) -> None:
        lane = ConcurrencyLimiter()
        lane.acquire('a', 1)

        assert list(lane.release('a')) == []
        assert lane.acquire('b', 1)


class TestLeave:
    def test_brings_the_next_who_waits_in_their_order(self) -> None:
        lane = ConcurrencyLimiter()
        for conn in 'abc':
            lane.acquire(conn, 1)

        assert list(lane.release('a')) == [('b', True)]
        assert list(lane.release('b')) == [('c', True)]
        assert list(lane.release('c')) == []

    def test_rejects_what_waited_too_long_and_goes_on(self) -> None:
        lane = ConcurrencyLimiter(queue_timeout_seconds=0.0)
        for conn in 'abc':
            lane.acquire(conn, 1)

        assert list(lane.release('a')) == [('b', False), ('c', False)]
        assert lane.acquire('d', 1)

    def test_is_nothing_for_who_never_entered(self) -> None:
        lane = ConcurrencyLimiter()
        lane.acquire('a', 1)
        lane.acquire('b', 1)

        assert list(lane.release('stranger')) == []
        assert lane.running == {'a'}
