"""The output of `flask jobs`."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from project.core.cli import jobs
from project.core.clock import now
from project.core.tasks import leases
from tests.tasks import task

from ..outbox import enqueue_at_committed, enqueue_committed, mark_dead, row_of, rows

pytestmark = pytest.mark.usefixtures('no_tasks')

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PIN = '012345'


@pytest.fixture
def run(cli):
    """Return a function that runs `flask jobs …`."""

    def invoke(*arguments):
        return cli.invoke(args=['jobs', *map(str, arguments)])

    return invoke


@pytest.fixture
def greet():
    """Return a task with a secret argument."""
    return task(name='greet', encrypted=['pin'])(lambda name='ada', pin=None: None)


@pytest.fixture
def other():
    """Return another task."""
    return task(name='other')(lambda: None)


@pytest.fixture
def dead(greet):
    """Return the id of a dead letter."""
    found = enqueue_committed(greet, pin=PIN)
    mark_dead(found)
    return found


def rejection_of(result, code=1):
    """Return the last line on stderr; check that the command failed and stdout is empty."""
    assert (result.exit_code, result.stdout) == (code, '')
    return result.stderr.splitlines()[-1]


COLUMNS = ['id', 'name', 'queue', 'state', 'attempts', 'due', 'created_at', 'error']


class TestJobsList:
    def test_prints_a_table(self, run, greet):
        found = enqueue_committed(greet, pin=PIN)

        head, _, row = run('list').output.splitlines()

        assert head.split() == COLUMNS
        assert row.split()[:5] == [str(found), 'greet', 'default', 'waiting', '0']
        assert row.split()[-1] == '-'

    def test_prints_json(self, run, dead):
        [found] = json.loads(run('list', '--json').output)

        assert list(found) == COLUMNS
        assert UUID(found['id']) == dead
        assert (found['state'], found['attempts']) == ('dead', 1)
        # A dead letter keeps the time for which the task was scheduled.
        assert datetime.fromisoformat(found['due']) == row_of(dead).scheduled_at
        assert found['error'] == 'hopeless'

    def test_filters_by_state_and_name(self, run, greet, other, dead):
        named = enqueue_committed(other)
        enqueue_committed(greet)

        def ids(*options):
            return [
                UUID(found['id']) for found in json.loads(run('list', '--json', *options).stdout)
            ]

        assert ids('--state', 'dead') == [dead]
        assert ids('--name', 'other') == [named]
        assert len(ids('--limit', '2')) == 2
        assert ids('--name', 'nonsense') == []

    def test_rejects_an_unknown_state(self, run):
        assert "'done' is not one of" in rejection_of(run('list', '--state', 'done'), 2)


class TestJobsShow:
    def test_shows_the_task_without_secrets(self, run, dead):
        found = json.loads(run('show', dead, '--json').output)

        assert found['arguments'] == {'name': 'ada', 'pin': '***'}
        assert found['error'] == 'hopeless'
        assert found['started_at']
        assert 'request_id' in found

    def test_prints_a_table(self, run, dead):
        result = run('show', dead)

        head, _, row = result.output.splitlines()
        assert head.split()[-2:] == ['arguments', 'error']
        assert str(dead) in row
        assert PIN not in result.output
        assert '"pin": "***"' in row

    def test_prints_one_line_for_an_unknown_id(self, run):
        result = run('show', uuid4())

        assert result.stderr == 'Error: task: No such task: tasks are deleted when they are done\n'
        assert result.exit_code == 1

    def test_rejects_an_invalid_id(self, run):
        assert "'nonsense' is not a valid UUID" in rejection_of(run('show', 'nonsense'), 2)


class TestJobsRetry:
    def test_retries_tasks_by_id(self, run, greet):
        ids = [enqueue_committed(greet), enqueue_committed(greet)]
        [mark_dead(found) for found in ids]

        result = run('retry', *ids)

        assert (result.exit_code, result.output) == (0, '2 task(s) will be tried again.\n')
        assert {row.state for row in rows()} == {'waiting'}

    def test_retries_all_dead_letters(self, run, dead, other):
        named = enqueue_committed(other)
        mark_dead(named)

        assert (
            run('retry', '--dead', '--name', 'other').output == '1 task(s) will be tried again.\n'
        )
        assert row_of(dead).state == 'dead'
        assert run('retry', '--dead').output == '1 task(s) will be tried again.\n'
        assert row_of(dead).state == 'waiting'

    def test_prints_one_line_for_a_running_task(self, run, greet):
        found = enqueue_committed(greet)
        leases.claim(found, uuid4())

        assert (
            rejection_of(run('retry', found))
            == 'Error: task: The task is running: wait, or end its process'
        )
        assert row_of(found).state == 'running'

    def test_prints_one_line_for_an_unknown_id(self, run):
        assert rejection_of(run('retry', uuid4())).startswith('Error: task: No such task')


class TestJobsDiscard:
    def test_deletes_tasks_by_id(self, run, greet, dead):
        found = enqueue_committed(greet)

        result = run('discard', found)

        assert (result.exit_code, result.output) == (0, 'Discarded 1 task(s).\n')
        assert [row.id for row in rows()] == [dead]

    def test_deletes_all_dead_letters(self, run, greet, dead, other):
        waiting, named = enqueue_committed(greet), enqueue_committed(other)
        mark_dead(named)

        assert run('discard', '--dead', '--name', 'other').output == 'Discarded 1 task(s).\n'
        assert run('discard', '--dead').output == 'Discarded 1 task(s).\n'
        assert [row.id for row in rows()] == [waiting]

    def test_only_counts_in_a_dry_run(self, run, greet, dead):
        found = enqueue_committed(greet)

        assert run('discard', '--dry-run', found).output == 'Would discard 1 task(s).\n'
        assert run('discard', '--dry-run', '--dead').output == 'Would discard 1 task(s).\n'
        assert len(rows()) == 2

    def test_prints_one_line_for_a_running_task(self, run, greet):
        found = enqueue_committed(greet)
        leases.claim(found, uuid4())

        assert (
            rejection_of(run('discard', found))
            == 'Error: task: The task is running: wait, or end its process'
        )
        assert rows()

    @pytest.mark.parametrize('dry', [(), ('--dry-run',)])
    def test_prints_one_line_for_an_unknown_id(self, run, dry):
        assert rejection_of(run('discard', uuid4(), *dry)).startswith('Error: task: No such task')


class TestRequireIdsOrDead:
    @pytest.mark.parametrize('command', ['retry', 'discard'])
    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            ([], 'Error: Give either the ids of tasks, or --dead.'),
            ([UUID(int=1), '--dead'], 'Error: Give either the ids of tasks, or --dead.'),
            ([UUID(int=1), '--name', 'greet'], 'Error: --name needs --dead.'),
        ],
    )
    def test_requires_either_ids_or_dead(self, run, dead, command, arguments, message):
        assert rejection_of(run(command, *arguments), 2) == message
        assert row_of(dead).state == 'dead'


class TestJobsWork:
    @pytest.mark.parametrize(('options', 'count'), [((), None), (('--concurrency', 3), 3)])
    def test_runs_task_workers_until_a_signal(self, app, cli, run, monkeypatch, options, count):
        calls = []
        monkeypatch.setattr(jobs, 'run_until_signal', lambda *args: calls.append(args))

        assert run('work', *options).exit_code == 0

        assert calls == [(app, count)]

    @pytest.mark.parametrize('count', ['0', '65', 'many'])
    def test_rejects_an_invalid_number(self, run, count):
        assert run('work', '--concurrency', count).exit_code == 2


class TestJobsStats:
    def test_counts_tasks_by_name_and_state(self, run, dead, greet, other, travel):
        travel(to=NOON)
        enqueue_at_committed(now() - timedelta(seconds=7), greet)
        enqueue_committed(other)

        assert json.loads(run('stats', '--json').output) == [
            {'name': 'greet', 'waiting': 1, 'queued': 0, 'running': 0, 'dead': 1, 'delay': 7},
            {'name': 'other', 'waiting': 1, 'queued': 0, 'running': 0, 'dead': 0, 'delay': 0},
        ]

    def test_prints_a_table(self, run, dead):
        head, _, row = run('stats').output.splitlines()

        assert head.split() == ['name', 'waiting', 'queued', 'running', 'dead', 'delay']
        assert row.split() == ['greet', '0', '0', '0', '1', '0']
