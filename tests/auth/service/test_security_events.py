"""Service: record and list security events."""

import pytest
from sqlalchemy import select

from project.auth.models import Event
from project.auth.service import list_events
from project.auth.service.security_events import record_security_event
from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import atomic, db
from project.core.request_context import (
    RequestContext,
    set_request_context,
)
from tests.auth.service.recorded_events import events
from tests.users.factories import UserFactory, principal_of


class TestRecord:
    def test_stores_kind_user_ip_address_and_request(self):
        """ASVS 16.2.1: an event contains time, place, person and action."""
        set_request_context(RequestContext('request-1', '192.0.2.7', 'browser/1' * 100))
        user = UserFactory()

        with atomic():
            record_security_event('login', user.id, session='x')

        event = db.session.scalars(select(Event)).one()
        assert (event.user_id, event.outcome, event.actor) == (user.id, 'success', 'self')
        assert (event.ip_address, event.request_id) == ('192.0.2.7', 'request-1')
        assert len(event.user_agent) == 255

    def test_stores_nothing_if_the_transaction_is_rolled_back(self):
        def change() -> None:
            with atomic():
                record_security_event('login', None)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            change()

        assert events() == []

    def test_raises_outside_a_transaction(self):
        record_security_event('login', None)

        with pytest.raises(RuntimeError, match='outside atomic'):
            db.session.flush()
        db.session.expunge_all()


class TestListEvents:
    def test_returns_the_events_of_the_user_only(self):
        user = UserFactory()
        with atomic():
            for kind in ('login', 'key_created'):
                record_security_event(kind, user.id)
            record_security_event('login', UserFactory().id)

        page = list_events(principal_of(user), PageRequest())

        assert sorted(event.kind for event in page.items) == ['key_created', 'login']
