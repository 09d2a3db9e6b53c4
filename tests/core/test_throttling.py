"""Attempt counters, which limit how often a password or PIN can be tried."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import delete, select

from project.core import throttling
from project.core.database.session import atomic, db, execute_in_own_transaction
from project.core.registration import RegistrationError, Registry
from project.core.throttling import (
    DAY,
    AttemptCounter,
    ThrottleCounter,
    TooManyAttempts,
    attempt_counters,
)
from tests.kit.clock import Travel

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def travel(travel: Travel) -> Travel:
    """Set the clock to noon; it stands still until the test moves it."""
    travel(to=NOON)
    return travel


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Start each test with an empty registry of counters."""
    monkeypatch.setattr(throttling, '_registry', Registry('attempt counter'))


def counter(kind='password', limit=3, **more):
    """Return an attempt counter; replace an existing one of the same name."""
    if kind in throttling._registry.values:
        throttling._registry = Registry('attempt counter')
    known = {'scope': 'account', 'recovery': 'Wait.', 'command': 'flask unlock', 'period': HOUR}
    return AttemptCounter(name=kind, owner='project.boats', limit=limit, **{**known, **more})


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

    def test_raises_for_a_second_counter_with_the_same_name(self):
        first = counter()

        with pytest.raises(
            RegistrationError, match=r"'password' .* project\.boats .* project\.docks"
        ):
            AttemptCounter(
                name='password', owner='project.docks', limit=1, period=HOUR,
                scope='', recovery='', command='',
            )  # fmt: skip
        assert attempt_counters() == [first]

    @pytest.mark.parametrize(
        ('targets', 'period', 'attempts'), [(2, HOUR, 144), (1, DAY, 3), (0, DAY, 0)]
    )
    def test_returns_the_attempts_per_account_and_day(self, targets, period, attempts):
        assert (
            counter(targets_per_account=targets, period=period).attempts_per_account_and_day
            == attempts
        )


class TestConsume:
    def test_raises_after_the_limit(self, travel):
        for _ in range(3):
            spend()

        with pytest.raises(TooManyAttempts) as error:
            spend()
        assert error.value.http_code == 429
        assert error.value.data == {'attempts': ['Too many attempts']}

    def test_does_not_count_rejected_attempts(self, travel):
        for _ in range(3):
            spend()
        for _ in range(5):
            with pytest.raises(TooManyAttempts):
                spend()

        assert spent() == 3

    def test_sends_the_end_of_the_period_as_retry_after(self, travel):
        for _ in range(3):
            spend()
        travel(minutes=10)

        with pytest.raises(TooManyAttempts) as error:
            spend()
        wait = int(error.value.headers['Retry-After'])
        travel(seconds=wait)
        spend()

        assert wait == 3000
        assert spent() == 1

    def test_rejects_until_the_last_moment_of_the_period(self, travel):
        for _ in range(3):
            spend()
        travel(HOUR - timedelta(milliseconds=1))
        with pytest.raises(TooManyAttempts) as error:
            spend()
        assert error.value.headers['Retry-After'] == '1'

        travel(milliseconds=1)
        for _ in range(3):
            spend()

    @pytest.mark.parametrize('days', [1, 7305])
    def test_starts_a_new_period_if_the_clock_was_set_back(self, travel, days):
        travel(days=days)
        for _ in range(3):
            spend()
        travel(days=-days)
        assert counter().count_of('ada') == 0

        for _ in range(3):
            spend()
        assert counter().count_of('ada') == 3
        with pytest.raises(TooManyAttempts) as error:
            spend()
        assert error.value.headers['Retry-After'] == '3600'

    def test_starts_the_period_with_the_first_attempt(self, travel):
        spend()
        travel(minutes=50)
        spend()
        spend()

        travel(minutes=10)
        spend()

        assert spent() == 1

    def test_counts_each_target_and_each_kind_separately(self, travel):
        spend('ada', limit=1)
        spend('eve', limit=1)
        spend('ada', limit=1, kind='otp')

        with pytest.raises(TooManyAttempts):
            spend('ada', limit=1)
        assert (spent('ada'), spent('eve'), spent('ada', 'otp')) == (1, 1, 1)

    def test_rolls_the_attempt_back_with_its_transaction(self, travel):
        @atomic()
        def reject():
            spend()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            reject()

        assert spent() is None

    def test_stores_no_target_in_plain_text(self, travel):
        spend('ada@example.com')

        assert 'ada' not in db.session.scalars(select(ThrottleCounter.target_hash)).one()

    def test_deletes_expired_counters(self, travel, monkeypatch):
        monkeypatch.setattr(throttling, 'ATTEMPTS_PER_CLEANUP', 1)
        spend('ada')
        travel(minutes=30)
        spend('eve')
        travel(minutes=30)

        spend('bob')

        assert (spent('ada'), spent('eve'), spent('bob')) == (None, 1, 1)

    def test_deletes_no_expired_counters_in_a_transaction_of_the_caller(self, travel, monkeypatch):
        """The deletion would lock rows until the end of that transaction."""
        monkeypatch.setattr(throttling, 'ATTEMPTS_PER_CLEANUP', 1)
        spend('ada')
        travel(HOUR)

        with atomic():
            spend('bob')

        assert (spent('ada'), spent('bob')) == (1, 1)

    def test_raises_if_its_counter_is_deleted_at_the_same_time(self, travel, monkeypatch):
        condition = throttling._is

        def removed(kind, key):
            execute_in_own_transaction(delete(ThrottleCounter))
            return condition(kind, key)

        spend(limit=1)
        monkeypatch.setattr(throttling, '_is', removed)

        with pytest.raises(TooManyAttempts) as error:
            spend(limit=1)

        assert error.value.headers['Retry-After'] == '1'

    def test_runs_one_statement(self, travel, monkeypatch, queries):
        monkeypatch.setattr(throttling, 'randbelow', lambda _: 1)

        with queries(max=1):
            spend()

    def test_admits_no_more_than_the_limit_of_concurrent_attempts(self, durable):
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
    def test_returns_one_attempt(self, travel):
        for _ in range(3):
            spend()

        counter().refund('ada')

        assert spent() == 2
        spend()
        with pytest.raises(TooManyAttempts):
            spend()

    def test_never_returns_more_attempts_than_were_counted(self, travel):
        counter().refund('ada')
        spend()
        counter().refund('ada')
        counter().refund('ada')

        assert spent() == 0

    def test_keeps_the_attempts_of_other_targets(self, travel):
        spend('ada')
        spend('eve')

        counter().refund('ada')

        assert spent('eve') == 1


class TestReset:
    def test_deletes_the_counter_and_returns_whether_it_counted_attempts(self, travel):
        for _ in range(3):
            spend()
        spend('eve')

        assert counter().reset('ada')
        assert not counter().reset('ada')

        assert (spent('ada'), spent('eve')) == (None, 1)
        spend()

    def test_returns_false_after_a_refund(self, travel):
        spend()
        counter().refund('ada')

        assert not counter().reset('ada')


class TestCountOf:
    def test_counts_the_attempts_of_the_current_period(self, travel):
        spend()
        spend()
        assert counter().count_of('ada') == 2

        travel(HOUR)

        assert (counter().count_of('ada'), counter().count_of('eve')) == (0, 0)
