"""Rotation of SECRET_KEY by the steps in docs/operations.md.

The user does not log in during the rotation.
"""

from uuid import uuid4

import pyotp
import pytest

from project.auth.errors import WrongPin
from project.auth.service import (
    accept_invitation,
    confirm_totp,
    invite,
    log_in,
    request_reset,
    reset_password,
    start_totp_enrolment,
)
from project.core.clock import now
from project.core.database.keyset_pagination import CursorInvalid, PageRequest
from project.core.tasks.attempts import run_next_task
from project.users import service as users
from tests.auth.factories import account
from tests.kit.tasks import NoWatchdog, run_pending_tasks
from tests.users.factories import AdminFactory, principal_of

NEW_PASSWORD = 'Difference engine, 1822'


@pytest.fixture
def user():
    """Return a user who can log in."""
    return account(username='ada')


@pytest.fixture
def totp(user):
    """Enable the user's second factor; return the authenticator app.

    One of its codes has been used.
    """
    secret = start_totp_enrolment(principal_of(user)).secret
    confirm_totp(principal_of(user), pyotp.TOTP(secret).now())
    return pyotp.TOTP(secret)


@pytest.fixture
def set_keys(app, monkeypatch):
    """Return a function that sets the secret keys, as if all processes had been restarted."""

    def set_keys(key, *fallbacks):
        monkeypatch.setitem(app.config, 'SECRET_KEY', key)
        monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', list(fallbacks))

    return set_keys


@pytest.fixture
def flask(cli):
    """Return a function that runs a `flask` command and returns its output."""

    def run(*arguments):
        result = cli.invoke(args=list(arguments))
        assert result.exit_code == 0, result.output
        return result.output

    return run


def second_page(cursor=None):
    """Return the second page of the list of users.

    :param cursor: a cursor from an earlier call; by default the function requests a new one.

    :returns: the cursor, and the page.
    """
    cursor = cursor or users.list_users(PageRequest(limit=1)).next
    return cursor, users.list_users(PageRequest(limit=1, cursor=cursor)).items


def pin_under_the_old_key(app, user):
    """Request a reset under the old key; do not deliver the mail with the PIN yet."""
    run_pending_tasks(app)
    request_reset(user.email)
    assert run_next_task(app, uuid4(), NoWatchdog())


class TestProcedure:
    def test_keeps_stored_data_usable(self, app, user, totp, set_keys, flask, mailbox, travel):
        account()
        cursor, _ = second_page()
        old, new = app.config['SECRET_KEY'], 'new-' * 10
        invite(principal_of(AdminFactory()), email='eve@example.com')
        code = mailbox.latest().code
        pin_under_the_old_key(app, user)

        set_keys(new, old)  # Step 1.
        assert second_page(cursor)[1]
        flask('secrets', 'rotate')  # Step 2.
        assert 'can be removed at' in flask('secrets', 'status')
        set_keys(new)  # Step 3, before its waiting time is over.
        assert 'There is no fallback key.' in flask('secrets', 'status')

        # The mail with the PIN is delivered now. The PIN is invalid, because the waiting time was
        # skipped. A new PIN is valid.
        with pytest.raises(WrongPin):
            reset_password(email=user.email, pin=mailbox.latest().code, new_password=NEW_PASSWORD)
        request_reset(user.email)
        reset_password(email=user.email, pin=mailbox.latest().code, new_password=NEW_PASSWORD)
        with pytest.raises(CursorInvalid):
            second_page(cursor)
        # The code of an invitation does not depend on SECRET_KEY.
        assert accept_invitation(
            email='eve@example.com', code=code, password=NEW_PASSWORD, username='eve'
        )
        with travel(minutes=5):
            assert log_in(user_or_email='ada', password=NEW_PASSWORD, otp=totp.at(now())).token

    def test_keeps_pins_valid_while_the_fallback_key_is_set(
        self, app, user, set_keys, flask, mailbox
    ):
        pin_under_the_old_key(app, user)

        set_keys('new-' * 10, app.config['SECRET_KEY'])
        flask('secrets', 'rotate')

        reset_password(email=user.email, pin=mailbox.latest().code, new_password=NEW_PASSWORD)
