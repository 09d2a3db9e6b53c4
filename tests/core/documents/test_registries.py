"""Tables of models, permissions, tasks, mails and attempt counters."""

import pytest

from project.core.documents.owners import Owners
from project.core.documents.registries import (
    counter_rows,
    mail_rows,
    model_rows,
    permission_rows,
    task_rows,
)

OWNERS = Owners({'users', 'auth', 'files'})


def by_name(rows):
    """Return rows by their first cell, each with its owner."""
    return {row[0]: (owner, *row[1:]) for owner, row in rows}


@pytest.mark.usefixtures('app')
class TestRows:
    def test_of_models_contain_their_docstrings(self):
        rows = by_name(model_rows(OWNERS))

        assert rows['`files_tags`'] == ('files', 'A tag that the owner gave to a file.')
        assert rows['`core_tasks`'][0] == 'core'

    def test_of_permissions_belong_to_the_feature_that_registers_them(self):
        rows = by_name(permission_rows(OWNERS))

        assert rows['`profile:read`'] == ('users', 'Read your own user and profile.', 'all users')
        assert rows['`users:read`'][2] == 'roles that include it'

    def test_of_tasks_contain_queue_schedule_and_attempts(self):
        rows = by_name(task_rows(OWNERS))

        assert rows['`users.delete_expired_exports`'] == (
            'users',
            'Delete expired exports every night, in batches.',
            'slow',
            '`27 3 * * *` (UTC)',
            '10',
        )
        assert rows['`files.make_thumbnail`'][3:] == ('when enqueued', '5')
        assert rows['`files.delete_abandoned_uploads`'][3] == 'every 10 minutes'
        assert rows['`core.collect_released_objects`'][::3] == ('core', 'every minute')

    def test_of_mails_contain_subjects_with_example_values(self):
        rows = by_name(mail_rows(OWNERS))

        assert rows['`export_ready`'] == ('users', 'Your data is ready')
        assert rows['`second_factor_changed`'] == ('auth', 'A second factor was turned on')

    def test_of_attempt_counters_belong_to_the_feature_that_creates_them(self):
        rows = by_name(counter_rows(OWNERS))

        assert rows['`login-name`'][0] == 'auth'
        assert rows['`login-name`'][2:4] == ('10 in 15 minutes', '1,920')
        assert rows['`link`'][0] == 'files'
        assert rows['`link`'][3] == '—'
        assert rows['`pin-mail`'][2] == '10 in a day'
