"""Service: send and accept invitations."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from project.auth.errors import InvitationInvalid, PasswordTooWeak, UsernameMissing
from project.auth.models import Event, Invitation, Pin, Registration
from project.auth.service import accept_invitation, invite, log_in, register, verify_account
from project.auth.service.attempt_counters import INVITATION
from project.auth.service.invitations import BATCH_USERS, on_users_created_invite
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.tasks.inspection import list_tasks
from project.users import service as users
from project.users.errors import PrivilegeEscalation, UsernameTaken
from project.users.permissions import INVITE, MEMBER
from tests.auth.factories import PASSWORD, CredentialFactory, account
from tests.concurrency import mails_of, run_concurrently, separate_app
from tests.users.factories import AdminFactory, UserFactory, principal_of

EVE = 'eve@example.com'


@pytest.fixture
def admin():
    """Return a user with the permission to invite others."""
    return AdminFactory()


@pytest.fixture
def code(admin, mailbox):
    """Invite Eve; return the code from the mail to her."""
    invite(principal_of(admin), email=EVE)
    return mailbox.latest().code


def accept(code, **changes):
    """Accept the invitation of Eve."""
    given = {'email': EVE, 'code': code, 'password': PASSWORD, 'username': 'eve'}
    return accept_invitation(**{**given, **changes})


class TestInvite:
    def test_sends_a_code_and_stores_only_its_hash(self, admin, mailbox):
        invite(principal_of(admin), email=EVE)

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == (EVE, 'You are invited')
        stored = db.session.scalars(select(Invitation)).one()
        assert mail.code.replace('-', '').encode() not in stored.code_hash
        assert stored.expires_at > now() + timedelta(days=6, hours=23)

    def test_sends_a_notice_to_an_existing_user(self, admin, mailbox):
        account(username='eve', email='Eve@example.com')

        invite(principal_of(admin), email=EVE)

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == ('Eve@example.com', 'You are registered already')
        assert db.session.scalars(select(Invitation)).all() == []

    def test_rejects_permissions_that_the_inviter_does_not_hold(self):
        with pytest.raises(PrivilegeEscalation):
            invite(principal_of(UserFactory()), email=EVE, roles=['admin'])

        assert list(list_tasks()) == []

    def test_sends_at_most_ten_mails_a_day_to_a_mailbox_for_all_causes(self, admin, mailbox):
        for _ in range(8):
            INVITATION.consume(EVE)
        user = users.create_user(username='eve', email=EVE, invite=True)
        mailbox()
        users.delete_user(user.id)
        for _ in range(2):
            invite(principal_of(admin), email=EVE)

        mails = mailbox()
        assert len(mails) == 2
        assert accept(mails[-1].code)

    def test_invalidates_the_previous_invitation(self, admin, code, mailbox):
        invite(principal_of(admin), email=EVE)
        newer = mailbox.latest().code

        with pytest.raises(InvitationInvalid):
            accept(code)
        assert accept(newer)


class TestInviteCreated:
    def test_invites_a_user_created_without_a_password(self, mailbox):
        users.create_user(username='eve', email=EVE, invite=True)

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == (EVE, 'You are invited')

    def test_sends_no_name_to_an_email_address_that_is_not_verified(self, mailbox):
        users.create_user(username='evil', email=EVE, name='See evil.example', invite=True)

        [mail] = mailbox()
        assert 'evil' not in mail.text + mail.html

    def test_sends_no_mail_without_the_option(self, mailbox):
        users.create_user(username='eve', email=EVE)

        assert mailbox() == []

    def test_enqueues_one_task_per_hundred_users(self):
        with atomic():
            on_users_created_invite('users', user_ids=list(range(1, 251)), invite=True, by=None)

        sizes = [len(task['arguments']['user_ids']) for task in list_tasks()]
        assert sorted(sizes) == [50, BATCH_USERS, BATCH_USERS]

    def test_ignores_a_deleted_user(self, mailbox):
        user = users.create_user(username='eve', email=EVE, invite=True)
        users.delete_user(user.id)

        assert mailbox() == []


class TestAcceptInvitation:
    def test_creates_a_user_who_can_log_in(self, admin, mailbox):
        invite(principal_of(admin), email=EVE, roles=['member', 'admin'])

        user = accept(mailbox.latest().code)

        assert (user.username, user.email, user.roles) == ('eve', EVE, ['admin', 'member'])
        assert log_in(user_or_email='eve', password=PASSWORD)
        assert 'invitation_accepted' in db.session.scalars(select(Event.event_type)).all()

    def test_sets_the_password_of_a_user_without_one(self, mailbox):
        made = users.create_user(username='eve', email='Eve@example.com', invite=True)

        user = accept(mailbox.latest().code, username=None)

        assert user.id == made.id
        assert log_in(user_or_email='eve', password=PASSWORD)

    def test_does_not_replace_a_password(self, mailbox):
        made = users.create_user(username='eve', email=EVE, invite=True)
        code = mailbox.latest().code
        CredentialFactory(user=made, password='their own by now')

        with pytest.raises(InvitationInvalid):
            accept(code)
        assert log_in(user_or_email='eve', password='their own by now')

    def test_accepts_a_code_in_any_case_and_spacing(self, code):
        assert accept(f' {code.replace("-", " ").lower()}')

    def test_accepts_a_code_once(self, code):
        """ASVS 6.4.1: an initial code is valid for one use."""
        accept(code)

        with pytest.raises(InvitationInvalid):
            accept(code, username=None)

    def test_rejects_a_code_after_seven_days(self, code, travel):
        with travel(days=7), pytest.raises(InvitationInvalid):
            accept(code)

    @pytest.mark.parametrize('changes', [{'code': 'A' * 16}, {'code': ''}, {'email': 'a@x.org'}])
    def test_rejects_a_wrong_code_or_email_address(self, code, changes):
        with pytest.raises(InvitationInvalid):
            accept(**{'code': code, **changes})

    def test_accepts_a_code_after_any_number_of_wrong_ones(self, code):
        for _ in range(30):
            with pytest.raises(InvitationInvalid):
                accept('A' * 16)

        assert accept(code)

    def test_accepts_a_code_after_a_change_of_the_secret_key(self, app, code, monkeypatch):
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another ' * 5)

        assert accept(code)

    def test_requires_a_username_for_a_new_user(self, code):
        with pytest.raises(UsernameMissing):
            accept(code, username=None)

        assert accept(code)

    def test_rejects_another_username_than_that_of_the_user(self, mailbox):
        users.create_user(username='eve', email=EVE, invite=True)
        code = mailbox.latest().code

        with pytest.raises(UsernameMissing):
            accept(code, username='mallory')
        assert accept(code, username='EVE')

    @pytest.mark.parametrize(
        ('changes', 'error'),
        [({'username': 'taken'}, UsernameTaken), ({'password': 'password'}, PasswordTooWeak)],
    )
    def test_keeps_the_code_valid_after_a_rejected_name_or_password(self, code, changes, error):
        UserFactory(username='taken')

        with pytest.raises(error):
            accept(code, **changes)
        assert accept(code)

    @pytest.mark.parametrize('by', ['invite', 'create_user'])
    @pytest.mark.parametrize('gone', ['disabled', 'demoted'])
    def test_rejects_an_invitation_by_an_admin_who_is(self, admin, mailbox, by, gone):
        """ASVS 8.3.3: an invitation needs the permissions that its sender has at the acceptance."""
        AdminFactory()
        if by == 'invite':
            invite(principal_of(admin), email=EVE, roles=['admin'])
        else:
            users.create_user(
                username='eve', email=EVE, roles=['admin'], invite=True, by=principal_of(admin)
            )
        code = mailbox.latest().code
        users.disable_user(admin.id) if gone == 'disabled' else users.set_roles(admin.id, [MEMBER])

        with pytest.raises(InvitationInvalid):
            accept(code)

    def test_keeps_the_code_of_an_admin_when_a_lesser_user_invites(self, admin, mailbox):
        users.create_user(
            username='eve', email=EVE, roles=['admin'], invite=True, by=principal_of(admin)
        )
        code = mailbox.latest().code
        users.define_role('inviters', [INVITE])

        invite(principal_of(UserFactory(roles=['inviters'])), email=EVE)
        mailbox()

        assert accept(code).roles == ['admin']

    def test_rejects_an_invitation_of_a_deleted_user(self, admin, code):
        AdminFactory()
        users.delete_user(admin.id)

        with pytest.raises(InvitationInvalid):
            accept(code)

    def test_deletes_registrations_of_the_email_address_and_their_pins(self, code, mailbox):
        register(username='mallory', email=EVE.upper(), password=PASSWORD)
        mailbox()

        accept(code)

        assert Registration.find_pending(EVE) == []
        assert db.session.scalars(select(Pin.email)).all() == []

    def test_creates_one_user_for_concurrent_calls(self, tmp_path):
        with separate_app(tmp_path) as app:
            invite(principal_of(AdminFactory()), email=EVE)
            code = mails_of(app, tmp_path / 'mail')[0].code

            found = run_concurrently(
                app, *[lambda n=n: accept(code, username=f'eve{n}') for n in range(5)]
            )

            assert len([f for f in found if not isinstance(f, Exception)]) == 1

    def test_creates_one_user_for_a_concurrent_verification(self, tmp_path):
        with separate_app(tmp_path) as app:
            admin = principal_of(AdminFactory())
            for number in range(10):
                email = f'eve{number}@example.com'
                invite(admin, email=email)
                register(username=f'one{number}', email=email, password=PASSWORD)
                found = mails_of(app, tmp_path / 'mail')
                mails = {mail['Subject']: mail for mail in found if mail['To'] == email}
                code = mails['You are invited'].code
                pin = mails['Your code to confirm this address'].code

                answers = run_concurrently(
                    app,
                    partial(accept, code, email=email, username=f'two{number}'),
                    partial(verify_account, email=email, pin=pin, password=PASSWORD),
                )

                assert len([a for a in answers if not isinstance(a, Exception)]) == 1
