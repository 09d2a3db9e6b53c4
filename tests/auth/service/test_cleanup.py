"""Service: delete expired rows of auth."""

from datetime import timedelta

import pytest
import time_machine

from project.auth.models import Pin, Registration, Session
from project.auth.service import create_key, delete_expired
from project.auth.service.credentials.pins import issue_pin
from project.auth.service.security_events import record_security_event
from project.core.clock import now
from project.core.database.session import Base, atomic, db
from tests.auth.factories import CredentialFactory, RegistrationFactory, SessionFactory
from tests.users.factories import UserFactory, principal_of


@pytest.fixture
def left():
    """Leave one of each that lives and one that is over; return what tells how many there are."""
    for key, moment in (('over', now() - timedelta(minutes=11)), ('live', now())):
        with time_machine.travel(moment), atomic():
            issue_pin('verification', f'{key}@example.com')
    SessionFactory()
    SessionFactory(expired=True)
    RegistrationFactory()
    RegistrationFactory(expired=True)

    return lambda: [
        db.session.scalar(db.select(db.func.count()).select_from(model))
        for model in (Session, Registration, Pin)
    ]


class TestDeleteExpired:
    def test_deletes_what_is_over_and_nothing_else(self, left):
        counted = delete_expired()

        assert (counted['sessions'], counted['registrations'], counted['pins']) == (1, 1, 1)
        assert left() == [1, 1, 1]
        assert set(delete_expired().values()) == {0}

    def test_says_what_it_would_delete(self, left):
        assert sum(delete_expired(dry_run=True).values()) == 3

        assert left() == [2, 2, 2]

    def test_knows_every_table_that_expires(self):
        expiring = {
            mapper.class_.__tablename__.removeprefix('auth_').removeprefix('api_')
            for mapper in Base.registry.mappers
            if mapper.class_.__tablename__.startswith('auth_')
            and {'expires_at', 'refresh_expires_at'} & set(mapper.columns.keys())
        }

        assert set(delete_expired()) == expiring | {'events'}

    def test_deletes_generated_passwords_that_expired(self):
        for expires_at in (None, now() + timedelta(hours=1), now()):
            CredentialFactory(expires_at=expires_at)

        assert delete_expired()['credentials'] == 1
        assert delete_expired()['credentials'] == 0

    def test_keeps_events_for_as_long_as_configured(self, app, monkeypatch):
        """ASVS 14.2.7."""
        monkeypatch.setitem(app.config, 'AUTH_EVENTS_LIFETIME', timedelta(days=2))
        for days in (1, 3):
            with time_machine.travel(now() - timedelta(days=days)), atomic():
                record_security_event('login', None)

        assert delete_expired()['events'] == 1

    def test_shows_a_key_for_a_month_after_its_end(self):
        asker = principal_of(UserFactory())
        with time_machine.travel(now() - timedelta(days=40)):
            for days in (5, 20):
                expiry = now() + timedelta(days=days)
                create_key(asker, name='ci', scopes=['files:read'], expires_at=expiry)

        assert delete_expired()['keys'] == 1
