"""Service: send and accept invitations."""

import re
from datetime import timedelta
from functools import partial

import pytest
import time_machine
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
from tests.auth.pins import pin_in, plain
from tests.concurrency import mails_of, run_concurrently, separate_app
from tests.users.factories import AdminFactory, UserFactory, principal_of

EVE = 'eve@example.com'


@pytest.fixture
def admin():
    """Somebody who may invite."""
    return AdminFactory()


def code_in(mail):
    """Return the code in a mail."""
    return re.search(r'([A-Z2-7]{4}-){3}[A-Z2-7]{4}', plain(mail))[0]


@pytest.fixture
def code(admin, mailbox):
    """The code that Eve was mailed."""
    invite(principal_of(admin), email=EVE)
    return code_in(mailbox()[-1])


def accept(code, **changes):
    """Accept Eve's invitation."""
    given = {'email': EVE, 'code': code, 'password': PASSWORD, 'username': 'eve'}
    return accept_invitation(**{**given, **changes})


class TestInvite:
    def test_mails_a_code_and_stores_it_nowhere(self, admin, mailbox):
        invite(principal_of(admin), email=EVE)

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == (EVE, 'You are invited')
        stored = db.session.scalars(select(Invitation)).one()
        assert code_in(mail).replace('-', '').encode() not in stored.code_hash
        assert stored.expires_at > now() + timedelta(days=6, hours=23)

    def test_mails_a_notice_to_who_has_an_account(self, admin, mailbox):
        account(username='eve', email='Eve@example.com')

        invite(principal_of(admin), email=EVE)

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == ('Eve@example.com', 'You are registered already')
        assert db.session.scalars(select(Invitation)).all() == []

    def test_rejects_permissions_that_the_asker_does_not_hold(self):
        with pytest.raises(PrivilegeEscalation):
            invite(principal_of(UserFactory()), email=EVE, roles=['admin'])

        assert list(list_tasks()) == []

    def test_sends_ten_mails_a_day_to_one_mailbox_whatever_causes_them(self, admin, mailbox):
        for _ in range(8):
            INVITATION.consume(EVE)
        user = users.create_user(username='eve', email=EVE, invite=True)
        mailbox()
        users.delete_user(user.id)
        for _ in range(2):
            invite(principal_of(admin), email=EVE)

        mails = mailbox()
        assert len(mails) == 2
        assert accept(code_in(mails[-1]))

    def test_makes_the_one_before_void(self, admin, code, mailbox):
        invite(principal_of(admin), email=EVE)
        newer = code_in(mailbox()[-1])

        with pytest.raises(InvitationInvalid):
            accept(code)
        assert accept(newer)


class TestInviteCreated:
    def test_invites_who_was_made_without_a_password(self, mailbox):
        users.create_user(username='eve', email=EVE, invite=True)

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == (EVE, 'You are invited')

    def test_mails_no_name_to_an_address_that_is_not_verified(self, mailbox):
        users.create_user(username='evil', email=EVE, name='See evil.example', invite=True)

        [mail] = mailbox()
        assert 'evil' not in plain(mail) + str(mail.get_body(('html',)).get_content())

    def test_invites_nobody_unless_that_is_wanted(self, mailbox):
        users.create_user(username='eve', email=EVE)

        assert mailbox() == []

    def test_enqueues_many_a_hundred_at_a_time(self):
        with atomic():
            on_users_created_invite('users', user_ids=list(range(1, 251)), invite=True, by=None)

        sizes = [len(task['arguments']['user_ids']) for task in list_tasks()]
        assert sorted(sizes) == [50, BATCH_USERS, BATCH_USERS]

    def test_passes_over_who_is_gone_by_then(self, mailbox):
        user = users.create_user(username='eve', email=EVE, invite=True)
        users.delete_user(user.id)

        assert mailbox() == []


class TestAcceptInvitation:
    def test_makes_a_user_who_can_log_in(self, admin, mailbox):
        invite(principal_of(admin), email=EVE, roles=['member', 'admin'])

        user = accept(code_in(mailbox()[-1]))

        assert (user.username, user.email, user.roles) == ('eve', EVE, ['admin', 'member'])
        assert log_in(user_or_email='eve', password=PASSWORD)
        assert 'invitation_accepted' in db.session.scalars(select(Event.event_type)).all()

    def test_gives_a_password_to_who_has_none(self, mailbox):
        made = users.create_user(username='eve', email='Eve@example.com', invite=True)

        user = accept(code_in(mailbox()[-1]), username=None)

        assert user.id == made.id
        assert log_in(user_or_email='eve', password=PASSWORD)

    def test_replaces_no_password(self, mailbox):
        made = users.create_user(username='eve', email=EVE, invite=True)
        code = code_in(mailbox()[-1])
        CredentialFactory(user=made, password='their own by now')

        with pytest.raises(InvitationInvalid):
            accept(code)
        assert log_in(user_or_email='eve', password='their own by now')

    def test_takes_a_code_however_it_is_typed(self, code):
        assert accept(f' {code.replace("-", " ").lower()}')

    def test_takes_a_code_once(self, code):
        """ASVS 6.4.1."""
        accept(code)

        with pytest.raises(InvitationInvalid):
            accept(code, username=None)

    def test_takes_a_code_for_seven_days(self, code):
        with time_machine.travel(now() + timedelta(days=7)), pytest.raises(InvitationInvalid):
            accept(code)

    @pytest.mark.parametrize('changes', [{'code': 'A' * 16}, {'code': ''}, {'email': 'a@x.org'}])
    def test_rejects_what_does_not_fit(self, code, changes):
        with pytest.raises(InvitationInvalid):
            accept(**{'code': code, **changes})

    def test_counts_no_wrong_codes(self, code):
        for _ in range(30):
            with pytest.raises(InvitationInvalid):
                accept('A' * 16)

        assert accept(code)

    def test_outlives_a_new_secret_key(self, app, code, monkeypatch):
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another ' * 5)

        assert accept(code)

    def test_asks_for_a_name_where_nobody_has_one(self, code):
        with pytest.raises(UsernameMissing):
            accept(code, username=None)

        assert accept(code)

    def test_rejects_another_name_than_the_account_has(self, mailbox):
        users.create_user(username='eve', email=EVE, invite=True)
        code = code_in(mailbox()[-1])

        with pytest.raises(UsernameMissing):
            accept(code, username='mallory')
        assert accept(code, username='EVE')

    @pytest.mark.parametrize(
        ('changes', 'refusal'),
        [({'username': 'taken'}, UsernameTaken), ({'password': 'password'}, PasswordTooWeak)],
    )
    def test_leaves_the_code_to_who_chooses_badly(self, code, changes, refusal):
        UserFactory(username='taken')

        with pytest.raises(refusal):
            accept(code, **changes)
        assert accept(code)

    @pytest.mark.parametrize('by', ['invite', 'create_user'])
    @pytest.mark.parametrize('gone', ['disabled', 'demoted'])
    def test_gives_no_account_of_an_admin_who_is(self, admin, mailbox, by, gone):
        """ASVS 8.3.3."""
        AdminFactory()
        if by == 'invite':
            invite(principal_of(admin), email=EVE, roles=['admin'])
        else:
            users.create_user(
                username='eve', email=EVE, roles=['admin'], invite=True, by=principal_of(admin)
            )
        code = code_in(mailbox()[-1])
        users.disable_user(admin.id) if gone == 'disabled' else users.set_roles(admin.id, [MEMBER])

        with pytest.raises(InvitationInvalid):
            accept(code)

    def test_keeps_the_code_of_an_admin_when_a_lesser_user_invites(self, admin, mailbox):
        users.create_user(
            username='eve', email=EVE, roles=['admin'], invite=True, by=principal_of(admin)
        )
        code = code_in(mailbox()[-1])
        users.define_role('inviters', [INVITE])

        invite(principal_of(UserFactory(roles=['inviters'])), email=EVE)
        mailbox()

        assert accept(code).roles == ['admin']

    def test_is_void_when_its_sender_has_left(self, admin, code):
        AdminFactory()
        users.delete_user(admin.id)

        with pytest.raises(InvitationInvalid):
            accept(code)

    def test_deletes_registrations_at_the_address_and_their_pins(self, code, mailbox):
        register(username='mallory', email=EVE.upper(), password=PASSWORD)
        mailbox()

        accept(code)

        assert Registration.find_pending(EVE) == []
        assert db.session.scalars(select(Pin.email)).all() == []

    def test_of_eight_at_once_makes_one_user(self, tmp_path):
        with separate_app(tmp_path) as app:
            invite(principal_of(AdminFactory()), email=EVE)
            code = code_in(mails_of(app, tmp_path / 'mail')[0])

            found = run_concurrently(
                app, *[lambda n=n: accept(code, username=f'eve{n}') for n in range(5)]
            )

            assert len([f for f in found if not isinstance(f, Exception)]) == 1

    def test_beside_a_verification_makes_one_user(self, tmp_path):
        with separate_app(tmp_path) as app:
            admin = principal_of(AdminFactory())
            for number in range(10):
                email = f'eve{number}@example.com'
                invite(admin, email=email)
                register(username=f'one{number}', email=email, password=PASSWORD)
                found = mails_of(app, tmp_path / 'mail')
                mails = {mail['Subject']: mail for mail in found if mail['To'] == email}
                code = code_in(mails['You are invited'])
                pin = pin_in(mails['Your code to confirm this address'])

                answers = run_concurrently(
                    app,
                    partial(accept, code, email=email, username=f'two{number}'),
                    partial(verify_account, email=email, pin=pin, password=PASSWORD),
                )

                assert len([a for a in answers if not isinstance(a, Exception)]) == 1
