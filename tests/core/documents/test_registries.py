"""Tables of models, permissions, tasks, mails and attempt counters."""

from datetime import timedelta

import pytest

from project.core import throttling
from project.core.documents.owners import Owners
from project.core.documents.registries import (
    counter_rows,
    key_rows,
    mail_rows,
    model_rows,
    permission_rows,
    task_rows,
    token_rows,
)
from project.core.registration import Registry
from project.core.security import tokens
from project.core.security.tokens import TokenKind, register_token_kind
from project.core.throttling import AttemptCounter

OWNERS = Owners({'users'})


def by_name(rows):
    """Return the owner and the other cells of each row, by the first cell."""
    return {row[0]: (owner, *row[1:]) for owner, row in rows}


@pytest.mark.usefixtures('app')
class TestRows:
    def test_of_models_contain_their_docstrings(self):
        rows = by_name(model_rows(OWNERS))

        assert rows['`users_roles`'] == ('users', 'An assignment of a role to a user.')
        assert rows['`core_tasks`'][0] == 'core'

    def test_of_permissions_belong_to_the_feature_that_registers_them(self):
        rows = by_name(permission_rows(OWNERS))

        assert rows['`profile:read`'] == ('users', 'Read your own user and profile.', 'all users')
        assert rows['`users:read`'][2] == 'roles that include it'

    def test_of_tokens_contain_their_prefix(self, monkeypatch):
        monkeypatch.setattr(tokens, '_kinds', Registry('token kind'))
        kind = TokenKind('abc', 'boat', lambda _: None, lambda _: None)
        register_token_kind(kind, owner='project.users.service')

        assert by_name(token_rows(OWNERS)) == {'`abc_`': ('users', 'boat')}

    def test_of_data_under_the_secret_key_contain_the_remedy(self):
        rows = by_name(key_rows(OWNERS))

        assert rows['secrets of waiting tasks'] == (
            'core',
            'a dead letter after 10 attempts',
            '`flask secrets rotate`',
        )
        assert rows['cursors of lists'][2] == 'nothing; they do not expire'

    def test_of_tasks_contain_queue_schedule_and_attempts(self):
        rows = by_name(task_rows(OWNERS))

        assert rows['`users.delete_expired_exports`'] == (
            'users',
            'Delete expired exports every night, in batches.',
            'slow',
            '`27 3 * * *` (UTC)',
            '10',
        )
        assert rows['`users.make_export`'][3] == 'when enqueued'
        assert rows['`core.collect_released_objects`'][::3] == ('core', 'every minute')

    def test_of_mails_contain_subjects_with_example_values(self):
        rows = by_name(mail_rows(OWNERS))

        assert rows['`export_ready`'] == ('users', 'Your data is ready')

    def test_of_attempt_counters_belong_to_the_feature_that_creates_them(self, monkeypatch):
        counters = Registry('attempt counter')
        monkeypatch.setattr(throttling, '_registry', counters)
        for name, owner, targets in (('one', 'project.users.a', 2), ('other', 'project.core.b', 0)):
            AttemptCounter(
                name=name, owner=owner, scope='a name', limit=10, period=timedelta(minutes=15),
                recovery='Wait.', command='flask unlock', targets_per_account=targets,
            )  # fmt: skip

        rows = by_name(counter_rows(OWNERS))

        assert rows['`one`'] == (
            'users', 'a name', '10 in 15 minutes', '1,920', 'Wait.', '`flask unlock`',
        )  # fmt: skip
        assert (rows['`other`'][0], rows['`other`'][3]) == ('core', '—')
