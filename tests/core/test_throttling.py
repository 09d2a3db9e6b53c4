"""Attempt counters."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from sqlalchemy import delete, select

from project.core import throttling
from project.core.database.session import atomic, db, execute_in_own_transaction
from project.core.throttling import (
    DAY,
    AttemptCounter,
    ThrottleCounter,
    TooManyAttempts,
    attempt_counters,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock():
    """Return a clock that stands still, until a test moves it."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Register the counters of these tests nowhere else."""
    monkeypatch.setattr(throttling, '_registry', {})


def counter(kind='password', limit=3, **more):
    """Return a counter, whether or not the name was used before."""
    throttling._registry.pop(kind, None)
    known = {'scope': 'account', 'recovery': 'Wait.', 'command': 'flask unlock', 'period': HOUR}
    return AttemptCounter(name=kind, limit=limit, **{**known, **more})


def spend(target='ada', limit=3, kind='password'):
    counter(kind, limit).consume(target)


def spent(target='ada', kind='password'):
    found = select(ThrottleCounter.attempts).where(
        ThrottleCounter.kind == kind, ThrottleCounter.target_hash == throttling._hashed(target)
    )
    return db.session.scalar(found)


class TestAttemptCounter:
    def test_is_registered_by_name(self):
        later, earlier = counter('otp'), counter('login')

        assert attempt_counters() == [earlier, later]

    def test_raises_for_a_second_one_of_the_same_name(self):
        first = counter()

        with pytest.raises(ValueError, match='password'):
            AttemptCounter(name='password', limit=1, period=HOUR, scope='', recovery='', command='')
        assert attempt_counters() == [first]

    @pytest.mark.parametrize(
        ('targets', 'period', 'guesses'), [(2, HOUR, 144), (1, DAY, 3), (0, DAY, 0)]
    )
    def test_states_the_attempts_of_a_day(self, targets, period, guesses):
        assert (
            counter(targets_per_account=targets, period=period).attempts_per_account_and_day
            == guesses
        )


class TestConsume:
    def test_counts_up_to_the_limit_and_then_rejects(self, clock):
        for _ in range(3):
            spend()

        with pytest.raises(TooManyAttempts) as refusal:
            spend()
        assert refusal.value.http_code == 429
        assert refusal.value.data == {'attempts': ['Too many attempts']}

    def test_does_not_count_what_it_rejects(self, clock):
        for _ in range(3):
            spend()
        for _ in range(5):
            with pytest.raises(TooManyAttempts):
                spend()

        assert spent() == 3

    def test_says_honestly_when_there_will_be_more(self, clock):
        for _ in range(3):
            spend()
        clock.shift(timedelta(minutes=10))

        with pytest.raises(TooManyAttempts) as refusal:
            spend()
        wait = int(refusal.value.headers['Retry-After'])
        clock.shift(timedelta(seconds=wait))
        spend()

        assert wait == 3000
        assert spent() == 1

    def test_rejects_until_the_last_moment_of_the_period(self, clock):
        for _ in range(3):
            spend()
        clock.shift(HOUR - timedelta(milliseconds=1))
        with pytest.raises(TooManyAttempts) as refusal:
            spend()
        assert refusal.value.headers['Retry-After'] == '1'

        clock.shift(timedelta(milliseconds=1))
        for _ in range(3):
            spend()

    @pytest.mark.parametrize('days', [1, 7305])
    def test_begins_a_new_period_if_the_clock_was_set_back(self, clock, days):
        clock.shift(timedelta(days=days))
        for _ in range(3):
            spend()
        clock.shift(-timedelta(days=days))
        assert counter().count_of('ada') == 0

        for _ in range(3):
            spend()
        assert counter().count_of('ada') == 3
        with pytest.raises(TooManyAttempts) as refusal:
            spend()
        assert refusal.value.headers['Retry-After'] == '3600'

    def test_begins_the_period_with_its_first_attempt(self, clock):
        spend()
        clock.shift(timedelta(minutes=50))
        spend()
        spend()

        clock.shift(timedelta(minutes=10))
        spend()

        assert spent() == 1

    def test_counts_each_target_and_each_kind_apart(self, clock):
        spend('ada', limit=1)
        spend('eve', limit=1)
        spend('ada', limit=1, kind='otp')

        with pytest.raises(TooManyAttempts):
            spend('ada', limit=1)
        assert (spent('ada'), spent('eve'), spent('ada', 'otp')) == (1, 1, 1)

    def test_rolls_the_attempt_back_with_its_transaction(self, clock):
        @atomic()
        def reject():
            spend()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            reject()

        assert spent() is None

    def test_names_no_target_in_the_table(self, clock):
        spend('ada@example.com')

        assert 'ada' not in db.session.scalars(select(ThrottleCounter.target_hash)).one()

    def test_deletes_what_is_over(self, clock, monkeypatch):
        monkeypatch.setattr(throttling, 'ATTEMPTS_PER_CLEANUP', 1)
        spend('ada')
        clock.shift(timedelta(minutes=30))
        spend('eve')
        clock.shift(timedelta(minutes=30))

        spend('bob')

        assert (spent('ada'), spent('eve'), spent('bob')) == (None, 1, 1)

    def test_deletes_nothing_else_in_a_transaction_of_the_caller(self, clock, monkeypatch):
        """Its locks would last until that transaction ends."""
        monkeypatch.setattr(throttling, 'ATTEMPTS_PER_CLEANUP', 1)
        spend('ada')
        clock.shift(HOUR)

        with atomic():
            spend('bob')

        assert (spent('ada'), spent('bob')) == (1, 1)

    def test_rejects_although_its_counter_was_removed_just_now(self, clock, monkeypatch):
        condition = throttling._is

        def removed(kind, key):
            execute_in_own_transaction(delete(ThrottleCounter))
            return condition(kind, key)

        spend(limit=1)
        monkeypatch.setattr(throttling, '_is', removed)

        with pytest.raises(TooManyAttempts) as refusal:
            spend(limit=1)

        assert refusal.value.headers['Retry-After'] == '1'

    def test_is_one_statement(self, clock, monkeypatch, assert_max_queries):
        monkeypatch.setattr(throttling, 'randbelow', lambda _: 1)

        with assert_max_queries(1):
            spend()

    def test_lets_no_more_pass_than_the_limit_when_all_come_at_once(self, durable):
        racers, limit = 16, 5
        ready = Barrier(racers)

        def race(_):
            with durable.app_context():
                ready.wait()
                try:
                    spend(limit=limit)
                except TooManyAttempts:
                    return 'refused'
                return 'passed'

        with ThreadPoolExecutor(racers) as pool:
            results = list(pool.map(race, range(racers)))

        assert results.count('passed') == limit
        assert spent() == limit


class TestRefund:
    def test_gives_one_back_and_leaves_the_others(self, clock):
        for _ in range(3):
            spend()

        counter().refund('ada')

        assert spent() == 2
        spend()
        with pytest.raises(TooManyAttempts):
            spend()

    def test_never_gives_more_than_was_spent(self, clock):
        counter().refund('ada')
        spend()
        counter().refund('ada')
        counter().refund('ada')

        assert spent() == 0

    def test_touches_nobody_else(self, clock):
        spend('ada')
        spend('eve')

        counter().refund('ada')

        assert spent('eve') == 1


class TestReset:
    def test_unlocks_and_says_whether_there_was_anything(self, clock):
        for _ in range(3):
            spend()
        spend('eve')

        assert counter().reset('ada')
        assert not counter().reset('ada')

        assert (spent('ada'), spent('eve')) == (None, 1)
        spend()

    def test_says_that_a_refunded_attempt_was_none(self, clock):
        spend()
        counter().refund('ada')

        assert not counter().reset('ada')


class TestCountOf:
    def test_counts_those_of_the_present_period(self, clock):
        spend()
        spend()
        assert counter().count_of('ada') == 2

        clock.shift(HOUR)

        assert (counter().count_of('ada'), counter().count_of('eve')) == (0, 0)
