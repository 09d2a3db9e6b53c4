"""Service: request and confirm a change of the email address."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from project.auth.errors import WrongPin
from project.auth.models import EmailChange, Event, Pin
from project.auth.service import confirm_email_change, request_email_change, request_reset
from project.auth.service import reset_password as reset
from project.auth.service.attempt_counters import (
    EMAIL_CHANGED,
    NOTICE_MAIL,
    PIN_MAIL,
    mail_target,
)
from project.core.clock import now
from project.core.database.session import db
from project.core.throttling import TooManyAttempts
from project.users import service as users
from project.users.errors import EmailTaken
from tests.auth.factories import account
from tests.auth.pins import other_than
from tests.concurrency import mails_of, run_concurrently, separate_app
from tests.users.factories import AdminFactory, UserFactory, principal_of

OLD, NEW = 'ada@example.com', 'lovelace@example.com'


@pytest.fixture
def user():
    """Return a user who still has the old email address."""
    return account(username='ada', email=OLD)


@pytest.fixture
def pin(user, mailbox):
    """Request the change; return the PIN from the mail to the new email address."""
    request_email_change(principal_of(user), NEW)
    return mailbox.latest().code


class TestRequestEmailChange:
    def test_sends_a_pin_to_the_new_email_address_and_changes_nothing(self, user, mailbox):
        request_email_change(principal_of(user), NEW)

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == (NEW, 'Your code to use this address')
        assert mail.code
        assert users.get_user(user.id).email == OLD

    def test_sends_a_notice_to_the_owner_of_the_email_address(self, user, mailbox):
        UserFactory(username='eve', email='Eve@example.com')

        request_email_change(principal_of(user), 'eve@example.com')

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == ('Eve@example.com', 'You are registered already')

    def test_replaces_an_earlier_request(self, user, pin, mailbox):
        request_email_change(principal_of(user), 'third@example.com')
        newer = mailbox.latest().code

        if newer != pin:
            with pytest.raises(WrongPin):
                confirm_email_change(principal_of(user), pin)
        assert confirm_email_change(principal_of(user), newer).email == 'third@example.com'

    def test_executes_the_same_statements_for_taken_and_free_email_addresses(self, user, queries):
        UserFactory(email='eve@example.com')
        ran = {}
        for email in ('eve@example.com', 'nobody@example.com'):
            with queries(max=7) as ran[email]:
                request_email_change(principal_of(user), email)

        assert ran['eve@example.com'] == ran['nobody@example.com']

    def test_accepts_ten_requests_a_day(self, user):
        for number in range(10):
            request_email_change(principal_of(user), f'n{number}@example.com')

        with pytest.raises(TooManyAttempts):
            request_email_change(principal_of(user), NEW)

    def test_sends_each_user_one_code_after_others_used_up_the_mails(self, user, mailbox):
        for _ in range(10):
            PIN_MAIL.consume(mail_target('email-change', NEW))

        for _ in range(2):
            request_email_change(principal_of(user), NEW)

        [mail] = mailbox()
        assert confirm_email_change(principal_of(user), mail.code).email == NEW

    def test_sends_no_text_of_the_user(self, mailbox):
        asker = UserFactory(username='evil', name='Go to https://evil.example')
        request_email_change(principal_of(asker), NEW)

        assert 'evil' not in mailbox.latest().text

    def test_sends_a_code_valid_for_a_day_from_the_third_request(self, user, mailbox, travel):
        for _ in range(3):
            travel(seconds=1)
            request_email_change(principal_of(user), NEW)
        code = mailbox.latest().code

        travel(hours=23)

        assert confirm_email_change(principal_of(user), code).email == NEW


class TestConfirmEmailChange:
    def test_changes_the_email_address_and_notifies_both(self, user, pin, mailbox):
        """ASVS 6.3.7 requires a notice after a change of the email address."""
        before = users.get_user(user.id)

        changed = confirm_email_change(principal_of(user), pin)

        assert (changed.email, changed.version) == (NEW, before.version + 1)
        told = [mail for mail in mailbox() if 'was changed' in mail['Subject']]
        assert {mail['To'] for mail in told} == {OLD, NEW}
        assert all(OLD in mail.text and NEW in mail.text for mail in told)
        assert 'email_changed' in db.session.scalars(select(Event.event_type)).all()

    def test_invalidates_the_pins_of_the_old_email_address(self, user, pin, mailbox):
        request_reset(OLD)
        old = mailbox.latest().code
        confirm_email_change(principal_of(user), pin)

        for email in (OLD, NEW):
            with pytest.raises(WrongPin):
                reset(email=email, pin=old, new_password='Difference engine, 1822')
        assert db.session.scalars(select(Pin.email_key)).all() == []

    @pytest.mark.parametrize('what', ['wrong', 'used', 'late', 'of another', 'never asked'])
    def test_rejects(self, user, pin, what, travel):
        asker, moment = principal_of(user), now()
        if what == 'used':
            confirm_email_change(asker, pin)
        if what in ('of another', 'never asked'):
            other = account(email='eve@example.com')
            asker = principal_of(other)
            if what == 'of another':
                request_email_change(asker, 'third@example.com')
        if what == 'late':
            moment += timedelta(minutes=10, seconds=1)

        with travel(to=moment), pytest.raises(WrongPin):
            confirm_email_change(asker, other_than(pin) if what == 'wrong' else pin)

    def test_rejects_the_right_pin_after_five_wrong_ones(self, user, pin):
        for _ in range(5):
            with pytest.raises(WrongPin):
                confirm_email_change(principal_of(user), other_than(pin))

        with pytest.raises(WrongPin):
            confirm_email_change(principal_of(user), pin)

    def test_rejects_an_email_address_that_another_user_has_taken_since(self, user, pin):
        UserFactory(email=NEW.upper())

        with pytest.raises(EmailTaken):
            confirm_email_change(principal_of(user), pin)

        assert users.get_user(user.id).email == OLD

    def test_accepts_one_of_concurrent_changes_to_an_email_address(self, tmp_path):
        with separate_app(tmp_path) as app:
            askers = [principal_of(account()) for _ in range(4)]
            pins = {}
            for asker in askers:
                request_email_change(asker, NEW)
                [mail] = mails_of(app, tmp_path / 'mail')
                pins[asker.user_id] = mail.code
                for path in (tmp_path / 'mail').glob('*.eml'):
                    path.unlink()

            found = run_concurrently(
                app, *[lambda a=a: confirm_email_change(a, pins[a.user_id]) for a in askers]
            )

            assert len([f for f in found if not isinstance(f, Exception)]) == 1
            assert {type(f) for f in found if isinstance(f, Exception)} == {EmailTaken}


class TestOnUserEmailChanged:
    def test_notifies_the_old_email_address_of_a_change_by_an_admin(self, user, mailbox):
        admin = principal_of(AdminFactory())

        users.update_user(user.id, {'email': NEW}, by=admin)

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == (OLD, 'The address of your account was changed')
        event = db.session.scalars(select(Event)).one()
        assert (event.event_type, event.user_id, event.actor) == (
            'email_changed', user.id, f'user:{admin.user_id}',
        )  # fmt: skip

    def test_notifies_a_mailbox_at_most_ten_times_a_day(self, user, mailbox):
        for _ in range(9):
            NOTICE_MAIL.consume(mail_target(EMAIL_CHANGED, OLD))

        for email in (NEW, OLD, NEW):
            users.update_user(user.id, {'email': email}, by=None)

        assert [mail['To'] for mail in mailbox()] == [OLD, NEW]

    def test_sends_no_mail_about_other_changes(self, user, mailbox):
        users.update_user(user.id, {'name': 'Ada', 'email': OLD}, by=None)

        assert mailbox() == []

    def test_deletes_the_requests_of_a_deleted_user(self, user, pin):
        users.delete_user(user.id)

        assert db.session.scalars(select(EmailChange)).all() == []
