"""Service: refresh sessions, and end a session whose refresh token is reused."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from project.auth.errors import WrongRefreshToken
from project.auth.models import Event, Session
from project.auth.service import change_password, end_session, identify, log_in, refresh_session
from project.auth.service.token_refresh import purge_refresh_grace_responses
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.security.tokens import family_of, kind_of, new_token
from project.users import service as users
from tests.auth.factories import PASSWORD, account
from tests.concurrency import mails_of, run_concurrently, separate_app
from tests.kit.responses import fails_with

# Seconds by which the clock is set back. All are more than the difference between the clocks of two
# servers.
BACK = [3, 90, 3600, 20 * 365 * 86_400]


@pytest.fixture
def user():
    """Return a user who can log in."""
    return account()


@pytest.fixture
def opened(user):
    """Log the user in; return the new session with its tokens."""
    return log_in(user_or_email=user.username, password=PASSWORD)


def kinds():
    """Return the event types of all security events, oldest first."""
    return list(db.session.scalars(select(Event.event_type).order_by(Event.created_at)))


class TestRefreshSession:
    def test_returns_two_new_tokens_of_the_same_session(self, user, opened):
        renewed = refresh_session(opened.refresh_token)

        assert kind_of(renewed.token) == 'pst'
        assert kind_of(renewed.refresh_token) == 'prt'
        assert not {renewed.token, renewed.refresh_token} & {opened.token, opened.refresh_token}
        assert renewed.session['id'] == opened.session['id']
        assert identify(renewed.token).user_id == user.id

    def test_stores_no_token_in_plain_text(self, opened):
        renewed = refresh_session(opened.refresh_token)

        session = db.session.scalars(select(Session)).one()
        stored = ' '.join(str(value) for value in vars(session).values())
        for token in (opened, renewed):
            assert token.token not in stored
            assert token.refresh_token not in stored

    def test_does_not_make_the_login_fresh(self, travel, opened):
        travel(minutes=11)

        renewed = refresh_session(opened.refresh_token)

        assert not identify(renewed.token).is_fresh()

    def test_keeps_the_old_token_valid_for_ten_seconds(self, travel, opened):
        refresh_session(opened.refresh_token)

        travel(seconds=9)
        assert identify(opened.token)
        travel(seconds=2)
        assert identify(opened.token) is None

    @pytest.mark.parametrize('seconds', BACK)
    def test_ends_the_old_token_if_the_clock_is_set_back(self, travel, opened, seconds):
        refresh_session(opened.refresh_token)

        travel(seconds=-seconds)

        assert identify(opened.token) is None

    def test_does_not_extend_an_expired_access_token(self, travel, opened):
        travel(minutes=61)
        assert identify(opened.token) is None

        refresh_session(opened.refresh_token)

        assert identify(opened.token) is None

    @pytest.mark.parametrize(
        'made',
        [lambda: '', lambda: 'prt_x', lambda: new_token('prt'), lambda: new_token('prt', 'A' * 22)],
        ids=['empty', 'short', 'unknown', 'unknown family'],
    )
    def test_rejects_an_invalid_or_unknown_token(self, opened, made):
        with pytest.raises(WrongRefreshToken):
            refresh_session(made())

        assert identify(opened.token)

    def test_rejects_an_access_token(self, opened):
        with pytest.raises(WrongRefreshToken):
            refresh_session(opened.token)

    def test_returns_a_refresh_token_that_is_not_an_access_token(self, opened):
        assert identify(opened.refresh_token) is None

    @pytest.mark.parametrize('end', ['logout', 'disabled', 'password', 'deleted'])
    def test_rejects_the_token_of_an_ended_session(self, user, opened, end):
        asker = identify(opened.token)
        if end == 'logout':
            end_session(user.id, asker.session_id)
        elif end == 'disabled':
            users.disable_user(user.id)
        elif end == 'deleted':
            users.delete_user(user.id)
        else:
            other = identify(log_in(user_or_email=user.username, password=PASSWORD).token)
            change_password(other, current_password=PASSWORD, new_password='Difference, 1822')

        with pytest.raises(WrongRefreshToken):
            refresh_session(opened.refresh_token)

    def test_rejects_a_token_after_30_days_without_a_refresh(self, travel, opened):
        travel(days=30, seconds=-1)
        renewed = refresh_session(opened.refresh_token)
        travel(days=30)

        with pytest.raises(WrongRefreshToken):
            refresh_session(renewed.refresh_token)
        assert 'refresh_token_reused' not in kinds()

    def test_rejects_a_token_after_90_days_in_total(self, travel, opened):
        """ASVS 7.3.2: a session has a maximum lifetime, regardless of its use."""
        token = opened.refresh_token
        for _ in range(3):
            travel(days=29)
            renewed = refresh_session(token)
            token = renewed.refresh_token
        travel(days=2, hours=23, minutes=30)
        last = refresh_session(token)

        assert last.refresh_expires_at == now() + timedelta(minutes=30) == last.expires_at
        travel(minutes=30)
        assert identify(last.token) is None
        with pytest.raises(WrongRefreshToken):
            refresh_session(last.refresh_token)

    def test_executes_three_statements(self, opened, queries):
        with queries(max=3):
            refresh_session(opened.refresh_token)

    def test_raises_inside_a_transaction(self, opened):
        with pytest.raises(RuntimeError, match='not inside atomic'), atomic():
            refresh_session(opened.refresh_token)


class TestUsedToken:
    def test_returns_the_same_successor_for_ten_seconds(self, travel, opened):
        first = refresh_session(opened.refresh_token)
        travel(seconds=9)

        again = refresh_session(opened.refresh_token)

        assert (again.token, again.refresh_token) == (first.token, first.refresh_token)
        assert (again.expires_at, again.session) == (first.expires_at, first.session)

    @pytest.mark.parametrize('seconds', BACK)
    def test_ends_its_session_if_the_clock_was_set_back(self, travel, opened, seconds):
        refresh_session(opened.refresh_token)
        travel(seconds=-seconds)

        with pytest.raises(WrongRefreshToken):
            refresh_session(opened.refresh_token)

    def test_ends_its_session_after_ten_seconds(self, travel, opened, user, mailbox):
        """The reuse of a refresh token ends the session (RFC 9700, 4.14.2; ASVS 10.4.5)."""
        renewed = refresh_session(opened.refresh_token)
        travel(seconds=10)

        with pytest.raises(WrongRefreshToken):
            refresh_session(opened.refresh_token)

        assert identify(renewed.token) is None
        with pytest.raises(WrongRefreshToken):
            refresh_session(renewed.refresh_token)
        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == (user.email, 'A session was ended, for your safety')
        assert kinds().count('refresh_token_reused') == 1

    def test_ends_its_session_after_any_number_of_refreshes(self, travel, opened):
        renewed = opened
        for _ in range(3):
            renewed = refresh_session(renewed.refresh_token)
            travel(seconds=60)

        with pytest.raises(WrongRefreshToken):
            refresh_session(opened.refresh_token)

        assert identify(renewed.token) is None

    def test_ends_its_session_although_the_response_is_an_error(self, travel, opened, client):
        refresh_session(opened.refresh_token)
        travel(seconds=11)

        answer = client.post(
            '/api/v1/auth/sessions/refresh', json={'refresh_token': opened.refresh_token}
        )

        fails_with(answer, 'refresh_token', status=401)
        assert db.session.scalar(select(func.count()).select_from(Session)) == 0

    def test_ends_no_other_session(self, travel, user, opened):
        other = log_in(user_or_email=user.username, password=PASSWORD)
        refresh_session(opened.refresh_token)
        travel(seconds=11)

        with pytest.raises(WrongRefreshToken):
            refresh_session(opened.refresh_token)

        assert identify(other.token)

    def test_ends_the_session_of_its_family_even_if_forged(self, opened):
        forged = new_token('prt', family_of(opened.refresh_token))

        with pytest.raises(WrongRefreshToken):
            refresh_session(forged)

        # All refresh tokens of a session contain the same family id. A client that knows this id
        # has seen one of these tokens.
        assert identify(opened.token) is None


class TestPurgeRefreshGraceResponses:
    def test_deletes_responses_after_the_grace_period(self, travel, opened):
        refresh_session(opened.refresh_token)
        purge_refresh_grace_responses()
        assert db.session.scalar(select(Session.grace_response_encrypted))

        travel(seconds=11)
        purge_refresh_grace_responses()
        purge_refresh_grace_responses()

        assert db.session.scalar(select(Session.grace_response_encrypted)) is None

    def test_deletes_a_response_stored_by_a_clock_that_was_ahead(self, travel, opened):
        refresh_session(opened.refresh_token)
        travel(seconds=-3600)

        purge_refresh_grace_responses()

        assert db.session.scalar(select(Session.grace_response_encrypted)) is None


class TestConcurrentRefreshes:
    def test_return_the_same_successor(self, tmp_path):
        with separate_app(tmp_path) as app:
            user = account()
            for _ in range(5):
                opened = log_in(user_or_email=user.username, password=PASSWORD)

                answers = run_concurrently(
                    app, *[lambda o=opened: refresh_session(o.refresh_token)] * 8
                )

                assert len({(a.token, a.refresh_token) for a in answers}) == 1
                assert identify(answers[0].token)

    def test_send_one_notice_about_a_stolen_token(self, tmp_path, travel):
        with separate_app(tmp_path) as app:
            user = account()
            with travel(minutes=-1):
                opened = log_in(user_or_email=user.username, password=PASSWORD)
                refresh_session(opened.refresh_token)

            answers = run_concurrently(app, *[lambda: refresh_session(opened.refresh_token)] * 8)

            assert {type(answer) for answer in answers} == {WrongRefreshToken}
            subjects = [mail['Subject'] for mail in mails_of(app, tmp_path / 'mail')]
            assert subjects == ['A session was ended, for your safety']
