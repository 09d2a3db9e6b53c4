"""Service: recognize devices, and send a notice about a login on a new one."""

import pytest
from sqlalchemy import func, select

from project.auth.models import Device, Session
from project.auth.service import log_in
from project.auth.service.credentials.devices import MAX_DEVICES_PER_USER
from project.core.database.session import db
from project.core.request_context import (
    RequestContext,
    set_request_context,
)
from project.core.security.tokens import kind_of, token_hash
from tests.auth.factories import PASSWORD, account

PHONE = RequestContext(ip_address='198.51.100.7', user_agent='phone/1')
LAPTOP = RequestContext(ip_address='203.0.113.9', user_agent='laptop/1')


@pytest.fixture
def user():
    """Return a user who can log in."""
    return account()


@pytest.fixture
def login(user):
    """Return a function that logs in from the client in a request context.

    A device token marks the login as one on a known device.
    """

    def login(context, device=None):
        set_request_context(context)
        return log_in(user_or_email=user.username, password=PASSWORD, device=device)

    return login


def count():
    """Return the number of known devices in the database."""
    return db.session.scalar(select(func.count()).select_from(Device))


class TestKnownDevices:
    def test_get_a_token_and_only_its_hash_is_stored(self, login):
        opened = login(PHONE)

        assert kind_of(opened.device) == 'pdv'
        device = db.session.scalars(select(Device)).one()
        assert device.token_hash == token_hash(opened.device)
        assert db.session.scalar(select(Session.device_id)) == device.id

    def test_are_recognized_in_other_networks(self, login, mailbox):
        first = login(PHONE)

        second = login(LAPTOP, device=first.device)

        assert second.device == first.device
        assert count() == 1
        assert mailbox() == []

    def test_cause_a_notice_if_new(self, login, user, mailbox):
        """ASVS 6.3.5 requires a notice about an unusual login."""
        login(PHONE)
        login(LAPTOP)

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == (user.email, 'A new device has logged in')
        text = mail.get_body(('plain',)).get_content()
        assert 'laptop/1 at 203.0.113.9' in text

    def test_cause_no_notice_of_the_first(self, login, mailbox):
        login(PHONE)

        assert mailbox() == []

    def test_cause_no_notice_with_a_known_network_and_user_agent(self, login, mailbox):
        for _ in range(3):
            login(PHONE)

        assert mailbox() == []

    def test_are_limited_to_the_20_most_recently_used(self, login, travel):
        with travel(days=-1):
            oldest = login(PHONE)
        for _ in range(MAX_DEVICES_PER_USER):
            login(PHONE)

        assert count() == MAX_DEVICES_PER_USER
        assert login(PHONE, device=oldest.device).device != oldest.device

    def test_expire_a_year_after_their_last_use(self, login, travel):
        first = login(PHONE)

        with travel(days=364):
            assert login(PHONE, device=first.device).device == first.device
        with travel(days=364 + 366):
            assert login(PHONE, device=first.device).device != first.device
