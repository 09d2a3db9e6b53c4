"""Service: find the owner of a leaked token and revoke the token."""

import pytest
from sqlalchemy import select

from project.auth.errors import TokenNotFound
from project.auth.models import Device, Event
from project.auth.service import (
    create_key,
    find_token_owner,
    identify,
    log_in,
    refresh_session,
    revoke_leaked,
)
from project.core.database.session import db
from project.core.security.tokens import new_token
from tests.auth.factories import PASSWORD, account
from tests.users.factories import principal_of


@pytest.fixture
def user():
    """Return the user who owns the leaked tokens."""
    return account(username='ada')


@pytest.fixture
def opened(user):
    """Log the user in; return the new session with its tokens."""
    return log_in(user_or_email='ada', password=PASSWORD)


class TestRevokeLeaked:
    @pytest.mark.parametrize('which', ['token', 'refresh_token'])
    def test_ends_a_session_by_its_access_or_refresh_token(self, opened, mailbox, which):
        kind, user = revoke_leaked(getattr(opened, which))

        assert (kind, user.username) == ('session', 'ada')
        assert identify(opened.token) is None
        assert [mail['Subject'] for mail in mailbox()] == ['A leaked token was revoked']
        assert 'token_leaked' in db.session.scalars(select(Event.event_type)).all()

    @pytest.mark.parametrize('which', ['token', 'refresh_token'])
    def test_ends_a_session_by_a_replaced_token(self, opened, which):
        renewed = refresh_session(opened.refresh_token)

        revoke_leaked(getattr(opened, which))

        assert identify(renewed.token) is None

    def test_deletes_a_key(self, user):
        made = create_key(principal_of(user), name='ci', scopes=['profile:read'])

        assert revoke_leaked(made['key'])[0] == 'API key'
        assert identify(made['key']) is None

    def test_deletes_a_device(self, opened):
        assert revoke_leaked(opened.device)[0] == 'known device'

        assert db.session.scalars(select(Device)).all() == []
        assert identify(opened.token)

    def test_rejects_a_revoked_token(self, opened, mailbox):
        revoke_leaked(opened.token)

        with pytest.raises(TokenNotFound):
            revoke_leaked(opened.token)
        assert len(mailbox()) == 1

    @pytest.mark.parametrize('kind', ['pst', 'prt', 'pak', 'pdv'])
    def test_rejects_an_unknown_token(self, kind):
        with pytest.raises(TokenNotFound):
            revoke_leaked(new_token(kind, 'A' * 22))


class TestFindTokenOwner:
    def test_returns_the_owner_and_changes_nothing(self, opened, mailbox):
        assert find_token_owner(opened.token)[1].username == 'ada'

        assert identify(opened.token)
        assert mailbox() == []
