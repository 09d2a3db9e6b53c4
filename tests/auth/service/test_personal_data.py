"""Service: the deletion of a user erases their credentials, sessions, PINs and registrations."""

import pytest

from project.auth.models import Credential, Pin, Registration, Session
from project.auth.service import resend_verification
from project.core.database.session import db
from project.users import service as users
from project.users.errors import UserNotFound
from tests.auth.factories import RegistrationFactory, SessionFactory, account
from tests.kit.tasks import run_pending_tasks


class TestOnUserDeleted:
    def test_deletes_all_rows_of_a_deleted_user(self, app):
        user, other = account(email='ada@example.com'), account()
        SessionFactory(user=user)
        kept = SessionFactory(user=other)
        RegistrationFactory(username='other', email='ADA@example.com')
        resend_verification('ADA@example.com')

        users.delete_user(user.id)
        run_pending_tasks(app)

        assert db.session.scalars(db.select(Session.id)).all() == [kept.id]
        assert db.session.scalars(db.select(Credential.user_id)).all() == [other.id]
        assert db.session.scalars(db.select(Pin)).all() == []
        assert Registration.find_by_username('other') is None
        with pytest.raises(UserNotFound):
            users.get_user(user.id)
