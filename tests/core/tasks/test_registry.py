"""The registry of tasks and their options."""

from datetime import timedelta

import pytest

from project.core.registration import RegistrationError
from project.core.tasks import registry
from project.core.tasks.registry import (
    exponential_backoff,
    find_task,
    require_task,
    scheduled_tasks,
    task_names,
)
from tests.tasks import task

pytestmark = pytest.mark.usefixtures('no_tasks')

SECOND = timedelta(seconds=1)


def nothing():
    """Do nothing. Idempotent."""


def greet(name, greeting='Hello'):
    """Return a greeting text."""
    return f'{greeting} {name}'


class TestRetryDelay:
    def waits(self, *attempts, **options):
        task(name='it', **options)(nothing)
        return [find_task('it').retry_delay(attempt) for attempt in attempts]

    def test_doubles_up_to_15_minutes(self, monkeypatch):
        monkeypatch.setattr(registry.random, 'uniform', lambda _least, most: most)

        waits = self.waits(1, 2, 3, 4, 10, 11, 100)

        assert [wait.total_seconds() for wait in waits] == [1, 2, 4, 8, 512, 900, 900]

    def test_starts_with_the_backoff_of_the_task(self, monkeypatch):
        monkeypatch.setattr(registry.random, 'uniform', lambda _least, most: most)

        waits = self.waits(1, 2, backoff=timedelta(minutes=1))

        assert waits == [timedelta(minutes=1), timedelta(minutes=2)]

    def test_is_random_between_half_and_all_of_the_delay(self):
        waits = self.waits(*[3] * 200)

        assert all(2 * SECOND <= wait <= 4 * SECOND for wait in waits)
        assert len(set(waits)) > 100
        assert min(waits) < 2.5 * SECOND
        assert max(waits) > 3.5 * SECOND

    @pytest.mark.parametrize('backoff', [timedelta(microseconds=1), timedelta(days=365)])
    def test_stays_bounded_for_any_attempt_and_backoff(self, backoff):
        [wait] = self.waits(10**9, backoff=backoff)

        assert timedelta() < wait <= timedelta(minutes=15)


class TestExponentialBackoff:
    def test_doubles_from_the_given_delay(self, monkeypatch):
        monkeypatch.setattr(registry.random, 'uniform', lambda least, _most: least)

        assert [exponential_backoff(SECOND, attempt) for attempt in (1, 2, 3)] == [
            SECOND / 2, SECOND, 2 * SECOND,
        ]  # fmt: skip


class TestTask:
    def test_returns_the_function_unchanged(self):
        assert task()(greet) is greet
        assert greet('Ada') == 'Hello Ada'

    def test_is_named_after_its_feature(self, monkeypatch):
        monkeypatch.setattr(greet, '__module__', 'project.users.service.greetings')

        task()(greet)

        assert task_names() == ['users.greet']

    @pytest.mark.parametrize('module', ['greetings', 'greetings.service'])
    def test_is_named_after_its_module_outside_of_a_feature(self, monkeypatch, module):
        monkeypatch.setattr(greet, '__module__', module)

        task()(greet)

        assert task_names() == [f'{module.rpartition(".")[2]}.greet']

    def test_accepts_another_name(self):
        task(name='users.hail')(greet)

        assert find_task('users.hail').function is greet

    def test_is_unique_if_it_is_scheduled(self):
        task(name='scheduled', every=SECOND)(nothing)
        task(name='ordinary')(greet)

        assert find_task('scheduled').unique == ()
        assert find_task('ordinary').unique is None

    @pytest.mark.parametrize(
        ('options', 'reason'),
        [
            ({'encrypted': ['pin']}, 'has no argument pin'),
            ({'unique': ['id', 'pin']}, 'has no argument id, pin'),
            ({'encrypted': ['name'], 'unique': ['name']}, 'must have no encrypted one'),
            ({'name': 'x' * 129}, 'is too long'),
            ({'every': SECOND}, 'its argument name needs a default'),
            ({'cron': '* * * * *'}, 'its argument name needs a default'),
            ({'every': SECOND, 'cron': '* * * * *'}, 'either `every` or `cron`, not both'),
            ({'every': SECOND / 2}, 'at least one second'),
            ({'cron': 'now and then'}, 'is not a cron rule'),
            ({'queue': 'urgent'}, 'must be one of mail, default, slow'),
            ({'idempotent': ' '}, 'why a second run is safe'),
            ({'attempts': 0}, 'needs an attempt, and a positive'),
            ({'backoff': timedelta()}, 'needs an attempt, and a positive'),
            ({'time_limit': -SECOND}, 'needs an attempt, and a positive'),
        ],
    )
    def test_rejects_options_with_which_it_could_never_run(self, options, reason):
        with pytest.raises(ValueError, match=reason):
            task(**{'name': 'it', **options})(greet)

        assert task_names() == []

    def test_rejects_a_name_that_is_taken(self):
        task(name='it')(greet)

        with pytest.raises(RegistrationError, match=f"'it' is registered by {__name__} and by"):
            task(name='it')(nothing)

    @pytest.mark.parametrize(
        'function', [lambda *names: names, lambda **names: names, lambda name, /: name]
    )
    def test_rejects_arguments_that_cannot_be_passed_by_name(self, function):
        with pytest.raises(ValueError, match='must name its arguments'):
            task(name='it')(function)


class TestRequireTask:
    def test_returns_the_task_of_a_function(self):
        task(name='it')(greet)

        assert require_task(greet).name == 'it'

    def test_raises_for_a_function_that_is_not_a_task(self):
        with pytest.raises(RuntimeError, match=r'greet\(\) is not a @task'):
            require_task(greet)


class TestFindTask:
    def test_returns_none_for_an_unknown_name(self):
        assert find_task('of-tomorrow') is None


class TestScheduledTasks:
    def test_are_those_with_a_schedule(self):
        task(name='ordinary')(greet)
        task(name='every', every=SECOND)(nothing)
        task(name='cron', cron='* * * * *')(lambda: None)

        assert [found.name for found in scheduled_tasks()] == ['cron', 'every']
