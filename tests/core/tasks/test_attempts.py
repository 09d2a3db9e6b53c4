"""Attempts: single runs of a task, and their outcomes."""

import json
import logging
from contextvars import Context
from datetime import timedelta
from functools import partial
from html import escape
from urllib.parse import quote
from uuid import uuid4

import pytest
from psycopg.errors import (
    AdminShutdown,
    DiskFull,
    QueryCanceled,
    ReadOnlySqlTransaction,
    UndefinedTable,
)
from sqlalchemy.exc import OperationalError

from project.core.clock import now
from project.core.database.session import atomic
from project.core.request_context import (
    NO_CONTEXT,
    RequestContext,
    current_request_context,
    set_request_context,
)
from project.core.semaphore import SlotUnavailable
from project.core.tasks import (
    LeaseLost,
    PermanentFailure,
    complete_with_transaction,
    current_attempt,
    enqueue,
    leases,
)
from project.core.tasks.attempts import (
    MAX_INCOMPATIBLE_ATTEMPTS,
    SLOT_RETRY_DELAY,
    fail_leased_tasks,
    run_next_task,
)
from project.core.tasks.errors import IncompatibleTask
from project.core.tasks.leases import LEASE_DURATION
from project.core.tasks.queues import mark_ready
from project.core.tasks.serialization import UNKNOWN_KEY_REASON
from tests.kit.tasks import NoWatchdog, run_pending_tasks
from tests.tasks import task

from ..outbox import change, enqueue_at_committed, enqueue_committed, row_of, rows

pytestmark = pytest.mark.usefixtures('no_tasks')

MINE, THEIRS = uuid4(), uuid4()
SECOND = timedelta(seconds=1)
PIN = '012345'


@pytest.fixture
def attempt(app):
    """Return a function that runs the next due task, and returns whether there was one."""
    return partial(run_next_task, app, MINE, NoWatchdog())


@pytest.fixture
def logged(caplog):
    """Return a function that returns the level and the fields of each log line about a task."""
    caplog.set_level(logging.INFO, 'project.core.tasks.attempts')

    def read():
        lines = [r for r in caplog.records if r.name == 'project.core.tasks.attempts']
        return [(line.levelname, line.fields) for line in lines]

    return read


def failing(error, **options):
    """Return a task that accepts any arguments and raises an error."""

    def fail(pin=None):
        raise error

    return task(name='fail', **{'backoff': SECOND, **options})(fail)


class Recorder:
    """A watchdog that records its calls instead of watching a time limit."""

    def __init__(self):
        self.calls = []

    def start_watch(self, task_id, limit):
        self.calls.append(('start', task_id, limit))

    def stop_watch(self):
        self.calls.append('stop')


class TestRunNextTask:
    def test_returns_false_without_a_due_task(self, attempt):
        assert not attempt()

    def test_runs_a_due_task_and_deletes_it(self, attempt, logged):
        seen = []
        found = enqueue_committed(
            task(name='see', encrypted=['pin'])(lambda a, pin: seen.append((a, pin))), 1, PIN
        )

        assert attempt()

        assert seen == [(1, PIN)]
        assert rows() == []
        [(level, fields)] = logged()
        assert level == 'INFO'
        assert fields.pop('ms') >= 0
        assert fields == {'task': 'see', 'id': str(found), 'attempt': 1, 'outcome': 'done'}

    def test_runs_two_statements(self, attempt, queries):
        enqueue_committed(task(name='nothing')(lambda: None))
        mark_ready()

        with queries(max=2):
            attempt()

    @pytest.mark.usefixtures('travel')
    def test_delays_the_next_attempt_of_a_failed_task(self, attempt, logged):
        found = enqueue_committed(failing(KeyError('a'), backoff=8 * SECOND))

        attempt()

        row = row_of(found)
        assert (row.state, row.attempts, row.last_error) == ('waiting', 1, "KeyError: 'a'")
        assert now() + 4 * SECOND <= row.available_at <= now() + 8 * SECOND
        assert not attempt()
        [(level, fields)] = logged()
        assert (level, fields['outcome']) == ('WARNING', 'failed')
        assert fields['reason'] == "KeyError: 'a'"

    def test_does_not_count_an_attempt_that_found_no_free_slot(self, attempt, logged, travel):
        found = enqueue_committed(failing(SlotUnavailable(), attempts=1))

        for number in range(3):
            with travel(seconds=number):
                assert attempt()
                row = row_of(found)
                assert (row.state, row.attempts, row.lease_id) == ('waiting', 0, None)
                assert now() < row.available_at <= now() + SLOT_RETRY_DELAY
                assert not attempt()

        assert {(level, fields['outcome']) for level, fields in logged()} == {('INFO', 'postponed')}

    def test_passes_its_owner_to_the_tasks_that_it_enqueues(self, attempt):
        child = task(name='child', owner_argument='owner')(lambda owner: None)
        parent = task(name='parent', owner_argument='owner')(
            lambda owner: enqueue_committed(child, 9)
        )
        enqueue_committed(parent, 7)

        attempt()

        [row] = rows()
        assert (row.name, row.owner_id) == ('child', 7)

    def test_dead_letters_a_task_after_its_last_attempt(self, attempt, logged, travel):
        found = enqueue_committed(failing(OSError('down'), attempts=3))

        for number in range(3):
            with travel(hours=number):
                assert attempt()

        row = row_of(found)
        assert (row.state, row.attempts, row.last_error) == ('dead', 3, 'OSError: down')
        assert [(level, fields['outcome']) for level, fields in logged()] == [
            ('WARNING', 'failed'), ('WARNING', 'failed'), ('ERROR', 'given up'),
        ]  # fmt: skip

    @pytest.mark.parametrize('cause', [AdminShutdown, ReadOnlySqlTransaction, DiskFull])
    def test_does_not_count_an_attempt_during_which_the_database_failed(
        self, attempt, logged, cause, travel
    ):
        error = OperationalError('INSERT', {}, cause('not now'))
        found = enqueue_committed(failing(error, attempts=1))

        for number in range(3):
            with travel(hours=number):
                assert attempt()

        row = row_of(found)
        assert (row.state, row.attempts) == ('waiting', 0)
        assert [fields['outcome'] for _, fields in logged()] == ['postponed'] * 3

    @pytest.mark.parametrize('cause', [QueryCanceled, UndefinedTable])
    def test_counts_an_attempt_whose_statement_may_have_caused_the_error(self, attempt, cause):
        error = OperationalError('SELECT', {}, cause('too long'))
        found = enqueue_committed(failing(error, attempts=1))

        attempt()

        assert row_of(found).state == 'dead'

    def test_treats_system_exit_as_a_failure(self, attempt):
        found = enqueue_committed(failing(SystemExit(3)))

        attempt()

        assert row_of(found).last_error == 'SystemExit: 3'

    def test_dead_letters_at_once_after_a_permanent_failure(self, attempt, logged):
        found = enqueue_committed(failing(PermanentFailure('nobody lives there')))

        attempt()

        row = row_of(found)
        assert (row.state, row.attempts, row.last_error) == ('dead', 1, 'nobody lives there')
        assert logged()[0][1]['reason'] == 'nobody lives there'

    def test_retries_an_unknown_task_for_another_version(self, attempt):
        found = enqueue_committed(task(name='nothing')(lambda: None))
        change(found, name='of-tomorrow')

        attempt()

        row = row_of(found)
        assert (row.state, row.attempts) == ('waiting', 1)
        assert row.last_error == 'this version of the service does not have this task'

    def test_retries_incompatible_arguments_for_another_version(self, attempt):
        found = enqueue_committed(task(name='one')(lambda a: None), 1)
        change(found, arguments='{"b":1}')

        attempt()

        row = row_of(found)
        assert (row.state, row.attempts) == ('waiting', 1)
        assert row.last_error.startswith('its arguments do not match the function: ')

    def test_retries_undecryptable_secrets_for_another_version(self, attempt, app, monkeypatch):
        found = enqueue_committed(task(name='one', encrypted=['pin'])(lambda pin: None), PIN)
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another-' * 5)

        attempt()

        row = row_of(found)
        assert (row.state, row.attempts) == ('waiting', 1)
        assert row.last_error == UNKNOWN_KEY_REASON

    @pytest.mark.parametrize(
        ('misfit', 'error'),
        [
            ({'name': 'of-tomorrow'}, 'this version of the service does not have this task'),
            ({'arguments': '{"b":1}'}, 'its arguments do not match the function: '),
            (
                {'encrypted_arguments': b'of another key'},
                UNKNOWN_KEY_REASON,
            ),
        ],
        ids=['name', 'arguments', 'secrets'],
    )
    def test_dead_letters_an_incompatible_task_after_ten_attempts(
        self, attempt, logged, misfit, error, travel
    ):
        """This limit applies even if the task itself allows 140 attempts."""
        found = enqueue_committed(
            task(name='one', attempts=140, encrypted=['pin'])(lambda a, pin: None), 1, PIN
        )
        change(found, **misfit)

        for number in range(MAX_INCOMPATIBLE_ATTEMPTS):
            assert row_of(found).state == 'waiting'
            with travel(hours=number):
                assert attempt()

        row = row_of(found)
        assert (row.state, row.attempts) == ('dead', 10)
        assert row.last_error.startswith(error)
        outcomes = [fields['outcome'] for _, fields in logged()]
        assert outcomes == ['failed'] * 9 + ['given up']

    def test_dead_letters_an_incompatible_task_after_its_own_attempts(self, attempt):
        found = enqueue_committed(task(name='one', attempts=1)(lambda a: None), 1)
        change(found, arguments='{"b":1}')

        attempt()

        assert row_of(found).state == 'dead'

    @pytest.mark.usefixtures('travel')
    def test_increases_the_delay_of_an_unknown_task(self, attempt):
        found = enqueue_committed(task(name='nothing')(lambda: None))
        change(found, name='of-tomorrow', attempts=4)

        attempt()

        assert now() + 8 * SECOND <= row_of(found).available_at <= now() + 16 * SECOND

    def test_runs_a_task_that_is_compatible_again(self, attempt, travel):
        seen = []
        found = enqueue_committed(task(name='see')(lambda: seen.append(1)))
        change(found, name='of-tomorrow')
        attempt()
        change(found, name='see')

        with travel(hours=1):
            attempt()

        assert seen == [1]
        assert rows() == []

    def test_decrypts_secrets_of_a_fallback_key(self, attempt, app, monkeypatch):
        seen = []
        enqueue_committed(task(name='one', encrypted=['pin'])(lambda pin: seen.append(pin)), PIN)
        monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', [app.config['SECRET_KEY']])
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another-' * 5)

        attempt()

        assert seen == [PIN]

    def test_runs_other_tasks_after_an_unknown_one(self, attempt):
        seen = []
        change(enqueue_committed(task(name='nothing')(lambda: None)), name='of-tomorrow')
        enqueue_committed(task(name='see')(lambda: seen.append(1)))

        assert attempt()
        assert attempt()

        assert seen == [1]

    def test_dead_letters_a_task_whose_process_died_in_every_attempt(self, attempt, travel):
        ran = []
        found = enqueue_committed(task(name='poison', attempts=2)(lambda: ran.append(1)))
        for number in range(2):
            with travel(seconds=LEASE_DURATION.seconds * number):
                assert leases.claim_next(uuid4())

        with travel(seconds=LEASE_DURATION.seconds * 2):
            assert attempt()

        row = row_of(found)
        assert (row.state, row.last_error) == ('dead', 'its process died 2 times')
        assert ran == []

    def test_keeps_a_task_that_another_worker_has_claimed(self, attempt, logged):
        def lose():
            change(found, lease_id=THEIRS)
            raise LeaseLost

        found = enqueue_committed(task(name='lose')(lose))

        attempt()

        row = row_of(found)
        assert (row.state, row.lease_id, row.last_error) == ('running', THEIRS, None)
        assert (logged()[0][0], logged()[0][1]['outcome']) == ('WARNING', 'lost')

    def test_does_not_complete_a_task_that_another_worker_has_claimed(self, attempt):
        found = enqueue_committed(task(name='late')(lambda: change(found, lease_id=THEIRS)))

        attempt()

        assert row_of(found).lease_id == THEIRS

    @pytest.mark.parametrize('error', [RuntimeError, PermanentFailure])
    def test_redacts_secrets_in_errors_and_logs(self, attempt, logged, caplog, error):
        found = enqueue_committed(failing(error(f'no {PIN} here'), encrypted=['pin']), PIN)

        attempt()

        assert row_of(found).last_error.endswith('no *** here')
        assert PIN not in json.dumps(logged()) + caplog.text + repr(tuple(row_of(found)))

    def test_logs_the_traceback(self, attempt, logged, caplog):
        enqueue_committed(failing(OSError('down')))

        attempt()

        [message] = [record.message for record in caplog.records if 'fields' in vars(record)]
        assert message.startswith('task\nTraceback')
        assert 'in fail' in message
        assert 'OSError: down' in message

    @pytest.mark.parametrize('form', [str, repr, str.encode, json.dumps, quote, escape])
    def test_redacts_secrets_in_every_encoding(self, attempt, logged, caplog, form):
        pin = 'p&ss "wörd"'
        found = enqueue_committed(failing(OSError(f'no {form(pin)} here'), encrypted=['pin']), pin)

        attempt()

        assert 'Traceback' in caplog.text
        assert '***' in row_of(found).last_error
        for text in (caplog.text, row_of(found).last_error):
            assert 'ss' not in text.partition('OSError')[2]

    @pytest.mark.parametrize(
        ('error', 'stored'),
        [
            (OSError('a\0b'), 'OSError: a\\0b'),
            (OSError('half \ud800 letter'), 'OSError: half \\ud800 letter'),
            (PermanentFailure('a\0b \udcff'), 'a\\0b \\udcff'),
            (IncompatibleTask('a\0b'), 'a\\0b'),
        ],
        ids=['nul', 'lone surrogate', 'permanent failure', 'incompatible'],
    )
    def test_escapes_characters_that_the_database_rejects(self, attempt, error, stored):
        found = enqueue_committed(failing(error))

        attempt()

        assert row_of(found).last_error == stored

    @pytest.mark.parametrize('kind', [Exception, PermanentFailure, IncompatibleTask])
    def test_handles_an_error_whose_text_raises(self, attempt, logged, kind):
        class Mute(kind):
            def __str__(self):
                raise ZeroDivisionError

        found = enqueue_committed(failing(Mute()))

        attempt()

        row = row_of(found)
        assert row.state == ('dead' if kind is PermanentFailure else 'waiting')
        assert row.last_error
        assert logged()[0][1]['reason'] == row.last_error

    @pytest.mark.parametrize('secret', ['half \ud800 letter', 'a\0b', {'\ud800': ['\udcff']}])
    def test_handles_a_secret_that_the_database_would_reject(self, attempt, secret):
        found = enqueue_committed(failing(OSError('down'), encrypted=['pin']), secret)

        attempt()

        assert row_of(found).last_error == 'OSError: down'

    @pytest.mark.parametrize(('error', 'state'), [(OSError, 'waiting'), (PermanentFailure, 'dead')])
    def test_truncates_long_errors(self, attempt, error, state):
        found = enqueue_committed(failing(error('x' * 10_000)))

        attempt()

        row = row_of(found)
        assert (row.state, len(row.last_error)) == (state, 2000)

    def test_redacts_secrets_before_it_truncates(self, attempt):
        reason = 'x' * 1985 + PIN * 3
        found = enqueue_committed(failing(PermanentFailure(reason), encrypted=['pin']), PIN)

        attempt()

        assert row_of(found).last_error == 'x' * 1985 + '***' * 3

    @pytest.mark.parametrize('error', [None, OSError(), PermanentFailure(), LeaseLost()])
    def test_starts_and_stops_the_watchdog(self, app, error):
        def run():
            watch.calls.append('run')
            if error:
                raise error

        found, watch = enqueue_committed(task(name='run', time_limit=3 * SECOND)(run)), Recorder()

        run_next_task(app, MINE, watch)

        assert watch.calls == [('start', found, 3 * SECOND), 'run', 'stop']

    def test_starts_and_stops_the_watchdog_for_an_unknown_task(self, app):
        found, watch = enqueue_committed(task(name='nothing')(lambda: None)), Recorder()
        change(found, name='of-tomorrow')

        run_next_task(app, MINE, watch)

        assert watch.calls == [('start', found, LEASE_DURATION), 'stop']

    def test_restores_the_request_id_of_the_request_that_enqueued_it(self, attempt):
        seen = []
        set_request_context(RequestContext(request_id='a-request'))
        enqueue_committed(task(name='see')(lambda: seen.append(current_request_context())))
        set_request_context(NO_CONTEXT)

        attempt()

        assert seen == [RequestContext(request_id='a-request', user_agent='task', task_owner_id=0)]
        assert current_request_context() == NO_CONTEXT

    def test_runs_the_given_task(self, app):
        ran = []
        run = task(name='run')(lambda number: ran.append(number))
        enqueue_at_committed(now() - SECOND, run, 1)
        found = enqueue_committed(run, 2)

        assert run_next_task(app, MINE, NoWatchdog(), partial(leases.claim, found))

        assert ran == [2]


class TestCurrentAttempt:
    def test_returns_none_outside_an_attempt(self):
        assert current_attempt() is None

    def test_contains_the_same_task_in_every_attempt(self, attempt, travel):
        seen = []

        def fail():
            seen.append(current_attempt())
            raise OSError

        found = enqueue_committed(task(name='fail')(fail))
        created = row_of(found).created_at
        attempt()
        with travel(hours=1):
            attempt()

        assert [(a.task_id, a.created_at, a.number) for a in seen] == [
            (found, created, 1), (found, created, 2),
        ]  # fmt: skip
        assert current_attempt() is None


class TestCompleteWithTransaction:
    """`complete_with_transaction` commits the end of a task together with its effect.

    The effect in these tests is another enqueued task.
    """

    @pytest.fixture
    def effect(self):
        return task(name='effect')(lambda: None)

    def test_commits_effect_and_completion_together(self, attempt, effect):
        @atomic()
        def run():
            complete_with_transaction()
            enqueue(effect)

        enqueue_committed(task(name='run')(run))

        attempt()

        assert [row.name for row in rows()] == ['effect']

    def test_rolls_both_back_when_the_transaction_fails(self, attempt, effect):
        @atomic()
        def run():
            complete_with_transaction()
            enqueue(effect)
            raise OSError

        enqueue_committed(task(name='run')(run))

        attempt()

        assert [(row.name, row.state) for row in rows()] == [('run', 'waiting')]

    def test_does_not_retry_a_task_that_fails_afterwards(self, attempt, effect):
        def run():
            with atomic():
                complete_with_transaction()
                enqueue(effect)
            raise OSError

        enqueue_committed(task(name='run')(run))

        attempt()

        assert [row.name for row in rows()] == ['effect']

    def test_rolls_the_effect_back_when_the_lease_is_lost(self, attempt, effect, logged):
        def run():
            change(found, lease_id=THEIRS)
            with atomic():
                complete_with_transaction()
                enqueue(effect)

        found = enqueue_committed(task(name='run')(run))

        attempt()

        assert [(row.name, row.state, row.lease_id) for row in rows()] == [
            ('run', 'running', THEIRS)
        ]
        assert logged()[0][1]['outcome'] == 'lost'

    def test_applies_the_effect_once_when_two_workers_make_an_attempt(
        self, app, attempt, effect, travel
    ):
        def run():
            if current_attempt().number == 1:
                # The lease expires during this attempt, and another worker completes the task.
                with travel(seconds=LEASE_DURATION.seconds):
                    Context().run(
                        run_next_task, app, THEIRS, NoWatchdog(), partial(leases.claim, found)
                    )
            with atomic():
                complete_with_transaction()
                enqueue(effect)

        found = enqueue_committed(task(name='run')(run))

        attempt()

        assert [row.name for row in rows()] == ['effect']

    def test_raises_outside_a_transaction(self, attempt):
        found = enqueue_committed(task(name='core.run')(complete_with_transaction))

        attempt()

        assert (
            row_of(found).last_error == 'RuntimeError: complete_in_transaction() outside atomic()'
        )

    def test_does_nothing_outside_an_attempt(self, queries):
        with queries(max=0):
            complete_with_transaction()


class TestFailLeasedTasks:
    def test_counts_the_attempt_of_a_process_that_ended(self, logged, travel):
        run = task(name='run', backoff=8 * SECOND)(lambda: None)
        found = enqueue_committed(run)
        leases.claim_next(MINE)
        other = enqueue_committed(run)
        leases.claim_next(THEIRS)

        with travel(seconds=1) as moment:
            fail_leased_tasks(MINE, 'its process ended (signal 9)')

        row = row_of(found)
        assert (row.state, row.attempts, row.lease_id) == ('waiting', 1, None)
        assert row.last_error == 'its process ended (signal 9)'
        assert moment + 4 * SECOND <= row.available_at <= moment + 8 * SECOND
        assert row_of(other).lease_id == THEIRS
        assert logged()[0][1]['outcome'] == 'failed'

    def test_dead_letters_a_task_after_its_last_attempt(self):
        found = enqueue_committed(task(name='poison', attempts=1)(lambda: None))
        leases.claim_next(MINE)

        fail_leased_tasks(MINE, 'its process ended (signal 9)')

        row = row_of(found)
        assert (row.state, row.last_error) == ('dead', 'its process ended (signal 9)')

    @pytest.mark.parametrize(('attempts', 'state'), [(0, 'waiting'), (8, 'waiting'), (9, 'dead')])
    def test_retries_an_unknown_task_for_another_version(self, attempts, state):
        found = enqueue_committed(task(name='nothing')(lambda: None))
        change(found, name='of-tomorrow', attempts=attempts)
        leases.claim_next(MINE)

        fail_leased_tasks(MINE, 'its process ended')

        row = row_of(found)
        assert (row.state, row.attempts) == (state, attempts + 1)
        assert row.last_error == 'its process ended'

    def test_changes_nothing_without_leased_tasks(self):
        fail_leased_tasks(MINE, 'its process ended')

        assert rows() == []


class TestRunPendingTasks:
    def test_runs_all_due_tasks_and_returns_their_number(self, app):
        seen = []

        @task(name='second')
        def second():
            seen.append('second')

        @task(name='first')
        def first():
            seen.append('first')
            enqueue_committed(second)

        enqueue_committed(first)
        enqueue_at_committed(now() + SECOND * 60, second)

        assert run_pending_tasks(app) == 2
        assert seen == ['first', 'second']
        assert len(rows()) == 1
