"""What has expired, and is swept out."""

from datetime import timedelta

import pytest
import time_machine

from project.auth.models import Pin, Registration, Session
from project.auth.service import sweep
from project.auth.service.pins import issue_pin
from project.core.clock import now
from project.core.data.database import atomic, db
from tests.auth.factories import RegistrationFactory, SessionFactory


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


class TestSweep:
    def test_deletes_what_is_over_and_nothing_else(self, left):
        assert sweep() == {'sessions': 1, 'registrations': 1, 'pins': 1}

        assert left() == [1, 1, 1]
        assert sweep() == {'sessions': 0, 'registrations': 0, 'pins': 0}

    def test_says_what_it_would_delete(self, left):
        assert sweep(dry_run=True) == {'sessions': 1, 'registrations': 1, 'pins': 1}

        assert left() == [2, 2, 2]
