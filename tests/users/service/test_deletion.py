"""Service: delete users, and erase their data in batches."""

import pytest

from project.core.clock import now
from project.core.database.session import atomic, db, in_atomic
from project.core.deprecated_calls import list_callers
from project.core.deprecated_calls.rows import Call, add_requests
from project.core.tasks.outbox import DEAD, OutboxTask
from project.users import service
from project.users.errors import LastAdmin, PrivilegeEscalation, UserChanged, UserNotFound
from project.users.models import User, UserRole
from project.users.permissions import DELETE
from project.users.personal_data import PersonalData, personal_data_registry
from project.users.service.deletion import erase_user, resume_erasures
from project.users.signals import user_deleted
from tests.concurrency import run_concurrently, separate_app
from tests.kit.tasks import run_pending_tasks
from tests.users.factories import AdminFactory, UserFactory, condition_on, principal_of
from tests.users.service.clerks import clerk_with
from tests.users.service.listed_users import usernames


class TestDeleteUser:
    def test_hides_the_user_from_all_finders_immediately(self):
        user = UserFactory(username='ada', email='ada@example.com', bio='Analyst')

        service.delete_user(user.id)

        assert User.find(user.id) is None
        assert User.find_by_login('ada') is User.find_by_login('ada@example.com') is None
        assert User.find_profile('ada') is User.find_avatar_key(user.id) is None
        assert usernames() == []
        assert service.user_stats() == {'active': 0, 'disabled': 0}
        assert service.find_permissions(user.id) == set()
        assert not db.session.scalars(db.select(UserRole).filter_by(user_id=user.id)).all()
        [row] = db.session.execute(db.select(User.__table__)).all()
        assert not {'ada', 'Analyst', 'Ada Lovelace'} & set(row)
        assert not any('ada@' in str(value) for value in row)

    def test_frees_the_username_and_the_email_address(self):
        user = UserFactory(username='ada', email='ada@example.com')
        service.delete_user(user.id)

        again = service.create_user(username='ada', email='ada@example.com')

        assert again.id > user.id

    def test_prevents_changes_of_a_deleted_user(self):
        user = UserFactory()
        service.delete_user(user.id)

        for change in (service.delete_user, service.disable_user, service.enable_user):
            with pytest.raises(UserNotFound):
                change(user.id)
        with pytest.raises(UserNotFound):
            service.set_roles(user.id, ['member'])
        assert service.record_login(user.id) is False

    def test_sends_a_signal_with_the_email_address(self):
        user, seen = UserFactory(email='ada@example.com'), []

        def record(_sender, *, user_id, email, by):
            seen.append((user_id, email, by, User.find(user_id)))

        with user_deleted.connected_to(record):
            service.delete_user(user.id)

        assert seen == [(user.id, 'ada@example.com', None, None)]

    def test_deletes_nothing_if_a_receiver_fails(self):
        user = UserFactory()

        def reject(_sender, **_):
            raise LookupError

        with user_deleted.connected_to(reject), pytest.raises(LookupError):
            service.delete_user(user.id)

        assert service.get_user(user.id).version == 1

    def test_rejects_an_unknown_user(self):
        with pytest.raises(UserNotFound):
            service.delete_user(2_147_483_647)

    def test_rejects_another_version(self):
        user = UserFactory()

        with pytest.raises(UserChanged):
            service.delete_user(user.id, expected=condition_on(user, 2))

        assert service.get_user(user.id)

    def test_rejects_the_deletion_of_a_user_with_more_permissions(self):
        AdminFactory()
        clerk = clerk_with(DELETE)

        with pytest.raises(PrivilegeEscalation):
            service.delete_user(AdminFactory().id, by=clerk)

    def test_rejects_the_last_admin(self):
        AdminFactory(disabled=True)
        last = AdminFactory()

        with pytest.raises(LastAdmin):
            service.delete_user(last.id, by=principal_of(last))

        assert service.get_user(last.id)

    def test_deletes_the_last_but_one_admin(self):
        AdminFactory()
        admin = AdminFactory()

        service.delete_user(admin.id, by=principal_of(admin))

        assert User.find(admin.id) is None

    def test_deletes_a_disabled_admin(self):
        AdminFactory()
        disabled = AdminFactory(disabled=True)

        service.delete_user(disabled.id)

        assert User.find(disabled.id) is None

    @pytest.mark.parametrize(
        ('first', 'second'),
        [
            (service.delete_user, service.delete_user),
            (service.disable_user, service.disable_user),
            (service.delete_user, service.disable_user),
        ],
        ids=['delete-delete', 'disable-disable', 'delete-disable'],
    )
    def test_keeps_one_of_two_admins_who_remove_each_other(self, tmp_path, first, second):
        with separate_app(tmp_path) as app:
            one, other = AdminFactory(), AdminFactory()

            results = run_concurrently(app, lambda: first(one.id), lambda: second(other.id))

            assert {type(result) for result in results} == {LastAdmin, type(None)}
            assert len(usernames(filters={'role': 'admin', 'status': 'active'})) == 1


@pytest.fixture
def batches(monkeypatch):
    """Register a feature with personal data that is erased in three batches.

    The fixture is a list: each erased batch appends the id of its user. If `fails_at` is set, the
    batch with this number raises an error.
    """

    class Batches(list):
        fails_at = None

        def erase(self, user_id):
            if len(self) + 1 == self.fails_at:
                raise LookupError
            assert in_atomic()
            self.append(user_id)
            return len(self) < 3

    found = Batches()
    data = PersonalData('one', {}, list, found.erase)
    monkeypatch.setattr(
        'project.users.service.deletion.personal_data_registry',
        lambda: [data, *personal_data_registry()],
    )
    return found


def rows():
    """Return the ids of all users in the table, including deleted ones."""
    return sorted(db.session.execute(db.select(User.__table__.c.id)).scalars())


class TestEraseUser:
    def test_erases_all_batches_and_then_the_user(self, app, batches):
        user = UserFactory()
        service.delete_user(user.id)
        assert (batches, rows()) == ([], [user.id])

        run_pending_tasks(app)

        assert (batches, rows()) == ([user.id] * 3, [])

    def test_continues_after_the_last_erased_batch(self, batches):
        user = UserFactory()
        service.delete_user(user.id)
        batches.fails_at = 3
        with pytest.raises(LookupError):
            erase_user(user.id)
        assert (batches, rows()) == ([user.id] * 2, [user.id])

        batches.fails_at = None
        erase_user(user.id)

        assert (batches, rows()) == ([user.id] * 3, [])

    def test_does_not_erase_an_active_user(self, batches):
        user = UserFactory()

        erase_user(user.id)

        assert (batches, rows()) == ([], [user.id])

    def test_has_no_effect_in_a_second_run(self, batches):
        user = UserFactory()
        service.delete_user(user.id)
        for _ in range(2):
            erase_user(user.id)

        assert batches == [user.id] * 3


class TestResumeErasures:
    def test_enqueues_erasures_whose_task_is_dead(self, app, batches):
        user, other = UserFactory(), UserFactory()
        service.delete_user(user.id)
        with atomic():
            db.session.execute(db.update(OutboxTask).values(state=DEAD, available_at=None))
        run_pending_tasks(app)
        assert rows() == [user.id, other.id]

        resume_erasures()
        run_pending_tasks(app)

        assert rows() == [other.id]

    def test_deletes_counts_that_were_written_after_the_erasure(self):
        user = UserFactory()
        moment = now()
        for user_id in (user.id, user.id + 1):
            call = Call('GET /old', moment.date(), user_id, '', 'curl')
            add_requests(call, 1, moment)

        resume_erasures()

        assert [row.user_id for row in list_callers()] == [user.id]
