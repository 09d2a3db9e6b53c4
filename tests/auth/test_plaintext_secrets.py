"""The tables of the feature `auth` contain no password, token or PIN in plain text."""

import pytest
from sqlalchemy import select

from project.auth.models import Credential, Pin, Registration, Session
from project.auth.service.credentials.pins import issue_pin
from project.core.database.session import atomic, db
from project.core.security.tokens import new_token
from tests.auth.factories import PASSWORD, CredentialFactory, RegistrationFactory, SessionFactory


class TestEveryTable:
    @pytest.mark.parametrize('model', [Credential, Session, Registration, Pin])
    def test_contains_no_secret_in_plain_text(self, model):
        token = new_token('pst')
        CredentialFactory()
        SessionFactory(token=token)
        RegistrationFactory()
        with atomic():
            pin = issue_pin('verification', 'ada@example.com').text

        [row] = db.session.execute(select(*model.__table__.columns)).all()

        for value in row:
            assert not any(
                secret.encode() in bytes(str(value), 'utf-8')
                for secret in (token, token[4:-6], PASSWORD)
            )
            assert value not in (pin, pin.encode())
