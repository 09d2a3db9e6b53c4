"""The output of `flask secrets`."""

import json
from datetime import UTC, datetime

import pytest

from project.core.security.key_usage import longest_lifetime
from tests.tasks import task

from ..outbox import change, enqueue_committed

pytestmark = pytest.mark.usefixtures('no_tasks')

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAME = 'secrets of waiting tasks'


@pytest.fixture
def run(cli):
    """Return a function that runs `flask secrets …` and returns its output."""

    def invoke(*arguments, exit_code=0):
        result = cli.invoke(args=['secrets', *arguments])
        assert result.exit_code == exit_code, result.output
        return result.output

    return invoke


@pytest.fixture
def status(run):
    """Return a function that runs `flask secrets status`.

    The function returns the whole report, and its entry about the secret arguments of tasks.
    """

    def read():
        report = json.loads(run('status', '--json'))
        [row] = [row for row in report['stored'] if row['name'] == NAME]
        return report, row

    return read


@pytest.fixture
def old_values(app, monkeypatch):
    """Store three encrypted values: two under a fallback key, one under an unknown key."""
    greet = task(name='greet', encrypted=['pin'])(lambda pin: None)
    for _ in range(2):
        enqueue_committed(greet, '012345')
    change(enqueue_committed(greet, '012345'), encrypted_arguments=b'unknown')
    monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', ['x' * 40, app.config['SECRET_KEY']])
    monkeypatch.setitem(app.config, 'SECRET_KEY', 'new-' * 10)


class TestSecretsRotate:
    def test_encrypts_values_again_and_counts_them(self, run, status, old_values):
        assert f'{NAME}: 2 encrypted again, 0 under the newest key, 1 under an unknown key.' in run(
            'rotate', exit_code=1
        )

        assert status()[1] == {'name': NAME, 'newest': 2, 'fallbacks': [0, 0], 'unknown': 1}
        assert f'{NAME}: 0 encrypted again, 2 under the newest key' in run('rotate', exit_code=1)

    def test_names_values_under_an_unknown_key_and_exits_with_1(self, run, old_values):
        assert run('rotate', exit_code=1).endswith(
            f'Error: Values have an unknown key: {NAME} (1). Add that key to SECRET_KEY_FALLBACKS'
            ' and run it again.\n'
        )

    def test_exits_with_0_when_all_values_are_under_the_newest_key(self, run):
        assert 'Error' not in run('rotate')

    def test_only_counts_in_a_dry_run(self, run, status, old_values):
        assert f'{NAME}: 2 would be encrypted again' in run('rotate', '--dry-run', exit_code=1)

        assert status()[1] == {'name': NAME, 'newest': 0, 'fallbacks': [0, 2], 'unknown': 1}


class TestSecretsStatus:
    def test_prints_a_table_and_the_remedies(self, run, old_values):
        output = run('status')

        row = next(line for line in output.splitlines() if line.startswith(NAME))
        assert row.removeprefix(NAME).split() == ['0', '0', '2', '1']
        assert 'Values need a fallback key: run flask secrets rotate.' in output
        assert 'Values have an unknown key: add that key to SECRET_KEY_FALLBACKS.' in output

    def test_contains_the_lifetime_of_expiring_data(self, status):
        expiring = {row['name']: row['lifetime_seconds'] for row in status()[0]['expiring']}

        assert expiring['cursors of lists'] is None

    def test_reports_when_the_fallbacks_can_be_removed(self, run, status, old_values, travel):
        travel(to=NOON)
        assert status()[0]['removable_at'] is None
        run('rotate', exit_code=1)

        moment = NOON + longest_lifetime()
        assert status()[0]['removable_at'] == f'{moment:%Y-%m-%dT%H:%M:%SZ}'
        assert f'can be removed at {moment:%Y-%m-%d %H:%M:%S} UTC' in run('status')

    def test_reports_a_missing_fallback(self, run, status):
        assert 'There is no fallback key.' in run('status')
        assert status()[0]['fallbacks'] == 0
