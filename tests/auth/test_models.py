"""The tables of auth and their finders."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from project.auth.models import Credential, Pin, Registration, Session
from project.auth.service.pins import issue_pin
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.security.tokens import new_token, token_hash

from .factories import PASSWORD, CredentialFactory, RegistrationFactory, SessionFactory


class TestCredentialFindHash:
    def test_returns_it(self):
        credential = CredentialFactory()

        assert Credential.find_hash(credential.user_id) == credential.password_hash

    def test_returns_nothing_of_nobody(self):
        assert Credential.find_hash(0) is None


class TestSessionFindLive:
    def test_returns_session_user_and_roles(self):
        token = new_token('pst')
        session = SessionFactory(token=token)

        found = Session.find_live(token_hash(token))

        assert (found.session_id, found.id) == (session.id, session.user_id)
        assert found.roles == ['member']

    def test_returns_nothing_of_one_that_is_over(self):
        token = new_token('pst')
        SessionFactory(token=token, expired=True)

        assert Session.find_live(token_hash(token)) is None

    def test_does_not_know_the_token_itself(self):
        token = new_token('pst')
        SessionFactory(token=token)

        assert Session.find_live(token) is None


class TestRegistrationFindWaiting:
    def test_returns_the_newest_first(self):
        for minutes in (4, 1, 3, 2):
            RegistrationFactory(
                username=f'minutes{minutes}',
                email='ada@example.com',
                created_at=now() - timedelta(minutes=minutes),
            )

        waiting = Registration.find_pending('ada@example.com')

        assert [found.username for found in waiting] == [
            f'minutes{minutes}' for minutes in (1, 2, 3, 4)
        ]

    def test_passes_over_those_that_expired(self):
        RegistrationFactory(email='ada@example.com', expired=True)

        assert Registration.find_pending('ada@example.com') == []


class TestRegistrationFindByUsername:
    def test_finds_in_any_case(self):
        RegistrationFactory(username='ada')

        assert Registration.find_by_username('ADA').username == 'ada'
        assert Registration.find_by_username('ad') is None

    def test_passes_over_one_that_expired(self):
        RegistrationFactory(username='ada', expired=True)

        assert Registration.find_by_username('ada') is None


class TestEveryTable:
    @pytest.mark.parametrize('model', [Credential, Session, Registration, Pin])
    def test_holds_no_secret_in_the_clear(self, model):
        token = new_token('pst')
        CredentialFactory()
        SessionFactory(token=token)
        RegistrationFactory()
        with atomic():
            pin = issue_pin('verification', 'ada@example.com')

        [row] = db.session.execute(select(*model.__table__.columns)).all()

        for value in row:
            assert not any(
                secret.encode() in bytes(str(value), 'utf-8')
                for secret in (token, token[4:-6], PASSWORD)
            )
            assert value not in (pin, pin.encode())
