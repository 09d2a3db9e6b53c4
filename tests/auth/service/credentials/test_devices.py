"""Service: recognize devices and send a notice of a login on a new one."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from project.auth.models import Device, Session
from project.auth.service import log_in
from project.auth.service.credentials.devices import MAX_DEVICES_PER_USER
from project.core.clock import now
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
    """Somebody who can log in."""
    return account()


@pytest.fixture
def login(user):
    """Return a function that logs in from somewhere."""

    def login(origin, device=None):
        set_request_context(origin)
        return log_in(user_or_email=user.username, password=PASSWORD, device=device)

    return login


def count():
    """Return how many devices are known."""
    return db.session.scalar(select(func.count()).select_from(Device))


class TestGreetDevice:
    def test_gives_a_new_one_a_token_whose_hash_alone_is_stored(self, login):
        opened = login(PHONE)

        assert kind_of(opened.device) == 'pdv'
        device = db.session.scalars(select(Device)).one()
        assert device.token_hash == token_hash(opened.device)
        assert db.session.scalar(select(Session.device_id)) == device.id

    def test_knows_it_again_wherever_it_is(self, login, mailbox):
        first = login(PHONE)

        second = login(LAPTOP, device=first.device)

        assert second.device == first.device
        assert count() == 1
        assert mailbox() == []

    def test_tells_of_a_new_one(self, login, user, mailbox):
        """ASVS 6.3.5."""
        login(PHONE)
        login(LAPTOP)

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == (user.email, 'A new device has logged in')
        text = mail.get_body(('plain',)).get_content()
        assert 'laptop/1 at 203.0.113.9' in text

    def test_sends_no_notice_of_the_first(self, login, mailbox):
        login(PHONE)

        assert mailbox() == []

    def test_sends_no_notice_of_one_that_looks_like_another(self, login, mailbox):
        for _ in range(3):
            login(PHONE)

        assert mailbox() == []

    def test_forgets_those_of_more_than_20_that_were_not_used_for_the_longest(self, login):
        with time_machine.travel(now() - timedelta(days=1)):
            oldest = login(PHONE)
        for _ in range(MAX_DEVICES_PER_USER):
            login(PHONE)

        assert count() == MAX_DEVICES_PER_USER
        assert login(PHONE, device=oldest.device).device != oldest.device

    def test_is_known_for_a_year_after_its_last_use(self, login):
        first = login(PHONE)

        with time_machine.travel(now() + timedelta(days=364)):
            assert login(PHONE, device=first.device).device == first.device
        with time_machine.travel(now() + timedelta(days=364 + 366)):
            assert login(PHONE, device=first.device).device != first.device
