"""Service: delete expired rows of the feature `auth`."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text

from project.auth.models import Device, Pin, Registration, Session
from project.auth.service import create_key, delete_expired, expired_rows
from project.auth.service.cleanup import delete_expired_nightly
from project.auth.service.credentials.pins import issue_pin
from project.auth.service.security_events import record_security_event
from project.core.clock import now
from project.core.database.cleanup import CleanupFailed
from project.core.database.session import Base, atomic, db
from tests.auth.factories import (
    CredentialFactory,
    DeviceFactory,
    RegistrationFactory,
    SessionFactory,
)
from tests.concurrency import separate_app
from tests.users.factories import UserFactory, principal_of


@pytest.fixture
def count_rows(travel):
    """Add a live and an expired session, registration and PIN.

    It returns a function that returns the number of rows of these three tables.
    """
    for key, moment in (('over', now() - timedelta(minutes=11)), ('live', now())):
        with travel(to=moment), atomic():
            issue_pin('verification', f'{key}@example.com')
    SessionFactory()
    SessionFactory(expired=True)
    RegistrationFactory()
    RegistrationFactory(expired=True)

    return lambda: [
        db.session.scalar(db.select(db.func.count()).select_from(model))
        for model in (Session, Registration, Pin)
    ]


def deleted(**options):
    """Run the clean-up; return the number of deleted rows by table."""
    counted = Counter()
    for batch in delete_expired(**options):
        assert batch.error is None
        counted[batch.name] += batch.rows
    return counted


class TestDeleteExpired:
    def test_deletes_only_expired_rows(self, count_rows):
        counted = deleted()

        assert (counted['sessions'], counted['registrations'], counted['pins']) == (1, 1, 1)
        assert count_rows() == [1, 1, 1]
        assert deleted().total() == 0

    def test_counts_expired_rows_in_a_dry_run(self, count_rows):
        assert deleted(dry_run=True).total() == 3

        assert count_rows() == [2, 2, 2]

    def test_covers_all_tables_with_an_expiry(self):
        expiring = {
            mapper.class_.__tablename__.removeprefix('auth_').removeprefix('api_')
            for mapper in Base.registry.mappers
            if mapper.class_.__tablename__.startswith('auth_')
            and {'expires_at', 'refresh_expires_at'} & set(mapper.columns.keys())
        }

        assert set(expired_rows()) == expiring | {'events'}

    def test_deletes_expired_generated_passwords(self):
        for expires_at in (None, now() + timedelta(hours=1), now()):
            CredentialFactory(expires_at=expires_at)

        assert deleted()['credentials'] == 1
        assert deleted()['credentials'] == 0

    def test_keeps_events_for_the_configured_time(self, app, monkeypatch, travel):
        """ASVS 14.2.7: personal data is deleted after a defined time."""
        monkeypatch.setitem(app.config, 'AUTH_EVENTS_LIFETIME', timedelta(days=2))
        for days in (1, 3):
            with travel(days=-days), atomic():
                record_security_event('login', None)

        assert deleted()['events'] == 1

    def test_keeps_a_key_for_a_month_after_its_expiry(self, travel):
        asker = principal_of(UserFactory())
        with travel(days=-40):
            for days in (5, 20):
                expiry = now() + timedelta(days=days)
                create_key(asker, name='ci', scopes=['profile:read'], expires_at=expiry)

        assert deleted()['keys'] == 1


class TestDeleteExpiredNightly:
    def test_deletes_the_rows_of_other_tables_if_one_fails(self, tmp_path):
        with separate_app(tmp_path):
            SessionFactory(expired=True)
            RegistrationFactory(expired=True)
            with db.engine.begin() as connection:
                connection.execute(text('ALTER TABLE auth_sessions RENAME TO renamed'))

            with pytest.raises(CleanupFailed, match='sessions'):
                delete_expired_nightly()

            assert db.session.scalars(db.select(Registration.username)).all() == []
            with db.engine.connect() as connection:
                assert connection.scalar(text('SELECT count(*) FROM renamed')) == 1

    def test_deletes_a_device_that_has_sessions(self):
        device = DeviceFactory(expires_at=now())
        session = SessionFactory(user=UserFactory(), device_id=device.id)

        delete_expired_nightly()

        assert db.session.scalars(db.select(Device.id)).all() == []
        found = db.select(Session.device_id).where(Session.id == session.id)
        assert db.session.scalars(found).all() == [None]
