"""Migrations of the feature `users` that change data."""

import pytest
from sqlalchemy import select

from project.core.database.session import db
from project.users.models import User
from project.users.service import delete_user
from tests.separate_app import migrated_application, run_on

from .factories import AdminFactory, UserFactory


@pytest.fixture
def run_migrated(tmp_path):
    """Return a function that runs `flask db …` on a migrated database."""
    with migrated_application(tmp_path, 'migrations') as app:
        yield run_on(app)


class TestClosedAccounts:
    """Deleted users whose data is still being erased: older releases do not know their status."""

    @pytest.mark.slow('migrates to an earlier version and back')
    def test_are_disabled_after_a_downgrade_and_closed_after_the_next_upgrade(self, run_migrated):
        closed = UserFactory()
        UserFactory(username='bob', status='disabled')
        AdminFactory(username='ada')
        delete_user(closed.id)
        rows = select(User.username, User.status).order_by(User.username)
        before = db.session.execute(rows).all()
        assert before == [('ada', 'active'), ('bob', 'disabled'), (f'~{closed.id}', 'deleted')]
        db.session.remove()

        run_migrated('downgrade', 'users@4c1f8ad92e60')

        found = dict(map(tuple, db.session.execute(rows)))
        assert found == {'ada': 'active', 'bob': 'disabled', f'~{closed.id}': 'disabled'}
        db.session.remove()

        run_migrated('upgrade')

        assert db.session.execute(rows).all() == before
