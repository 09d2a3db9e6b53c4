"""Encrypted columns. The example is the column with the secret arguments of tasks."""

from collections import Counter

import pytest
from sqlalchemy import update

from project.core.database import encrypted_columns
from project.core.database.session import execute_in_own_transaction
from project.core.security.key_usage import CHANGED, CURRENT, ROTATED, UNKNOWN, encrypted_values
from project.core.tasks.outbox import OutboxTask
from project.core.tasks.registry import find_task
from project.core.tasks.serialization import deserialize
from tests.tasks import task

from ..outbox import change, enqueue_committed, row_of, rows

pytestmark = pytest.mark.usefixtures('no_tasks')

NEW = 'new-' * 10


@pytest.fixture
def greet():
    """Return a task with a secret argument."""
    return task(name='greet', encrypted=['pin'])(lambda pin=None: None)


@pytest.fixture
def values(monkeypatch):
    """Return the registered secret arguments of waiting tasks, read in batches of three."""
    monkeypatch.setattr(encrypted_columns, 'BATCH_ROWS', 3)
    [found] = [each for each in encrypted_values() if each.name == 'secrets of waiting tasks']
    return found


@pytest.fixture
def new_key(app, monkeypatch):
    """Return a function that replaces SECRET_KEY and keeps the old one as a fallback."""

    def introduce():
        monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', [app.config['SECRET_KEY']])
        monkeypatch.setitem(app.config, 'SECRET_KEY', NEW)

    return introduce


class TestRegisterEncryptedColumn:
    def test_rotates_all_rows_of_all_batches(self, app, greet, values, new_key, monkeypatch):
        found = [enqueue_committed(greet, pin=f'{n:06}') for n in range(7)]
        enqueue_committed(task(name='open')(lambda: None))
        new_key()
        assert values.count_by_key() == {1: 7}

        assert Counter(values.rotate()) == {ROTATED: 7}

        monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', [])
        assert values.count_by_key() == {0: 7}
        read = [
            deserialize(find_task('greet'), row.arguments, row.encrypted_arguments)['pin']
            for row in map(row_of, found)
        ]
        assert read == [f'{n:06}' for n in range(7)]

    def test_keeps_ciphertexts_of_unknown_keys(self, greet, values, new_key):
        found = enqueue_committed(greet, pin='012345')
        change(found, encrypted_arguments=b'of another key')
        new_key()

        assert Counter(values.rotate()) == {UNKNOWN: 1}

        assert row_of(found).encrypted_arguments == b'of another key'

    def test_does_not_overwrite_a_concurrent_change(self, greet, values, new_key):
        found = enqueue_committed(greet, pin='012345')
        new_key()
        [batch] = values.batches()
        change(found, encrypted_arguments=b'newer')

        assert values.replace([(batch[0], b'older')]) == set()

        assert row_of(found).encrypted_arguments == b'newer'

    def test_ignores_rows_deleted_during_the_rotation(self, greet, values, new_key):
        for _ in range(4):
            enqueue_committed(greet, pin='012345')
        new_key()
        rotation = values.rotate()
        next(rotation)
        execute_in_own_transaction(update(OutboxTask).values(encrypted_arguments=None))

        assert Counter(rotation) == {ROTATED: 2}
        assert {row.encrypted_arguments for row in rows()} == {None}

    def test_skips_rows_under_the_newest_key(self, greet, values, new_key):
        new_key()
        enqueue_committed(greet, pin='012345')

        assert Counter(values.rotate()) == {CURRENT: 1}
        assert CHANGED not in Counter(values.rotate())
