"""Models: finder of a live session by the hash of its token."""

from project.auth.models import Session
from project.core.security.tokens import new_token, token_hash
from tests.auth.factories import SessionFactory


class TestSessionFindLive:
    def test_returns_session_user_and_roles(self):
        token = new_token('pst')
        session = SessionFactory(token=token)

        found = Session.find_live(token_hash(token))

        assert (found.session_id, found.id) == (session.id, session.user_id)
        assert found.roles == ['member']

    def test_returns_none_for_an_expired_session(self):
        token = new_token('pst')
        SessionFactory(token=token, expired=True)

        assert Session.find_live(token_hash(token)) is None

    def test_returns_none_for_a_plain_token(self):
        token = new_token('pst')
        SessionFactory(token=token)

        assert Session.find_live(token) is None
