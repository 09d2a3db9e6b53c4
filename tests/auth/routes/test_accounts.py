"""HTTP: register an account and verify its email address."""

import pytest

from project.users.models import User
from project.users.schemas import UserSchema
from tests.auth.factories import PASSWORD, RegistrationFactory
from tests.auth.pins import other_than
from tests.auth.routes.response_signature import response_signature
from tests.kit.responses import data, fails_with
from tests.users.factories import UserFactory

URL = '/api/v1/auth'
ACCOUNTS, VERIFICATIONS = f'{URL}/accounts', f'{URL}/verifications'
ADA = {'username': 'ada', 'email': 'ada@example.com', 'password': PASSWORD}

# Fields that the body of no route of `auth` may contain.
PROTECTED = sorted({*UserSchema().fields, 'admin', 'is_admin', 'password_hash', 'expires_at'})


class TestAccountCreate:
    def test_returns_no_data_and_creates_no_user(self, client, mailbox):
        response = client.post(ACCOUNTS, json={**ADA, 'name': 'Ada'})

        assert (response.status_code, data(response)) == (202, None)
        assert User.find_by_username('ada') is None
        assert len(mailbox()) == 1

    def test_returns_the_same_for_known_and_unknown_email_addresses(self, client, mailbox, queries):
        UserFactory(email='known@example.com')

        with queries(max=20) as for_unknown:
            unknown = client.post(ACCOUNTS, json=ADA)
        with queries(max=20) as for_known:
            known = client.post(
                ACCOUNTS, json={**ADA, 'username': 'bob', 'email': 'KNOWN@example.com'}
            )

        assert response_signature(unknown) == response_signature(known)
        assert for_unknown == for_known
        assert {mail['To'] for mail in mailbox()} == {'ada@example.com', 'known@example.com'}

    @pytest.mark.parametrize('username', ['taken', 'TAKEN', 'waiting', 'Waiting'])
    def test_rejects_a_username_that_is_taken_or_pending(self, client, username):
        UserFactory(username='taken')
        RegistrationFactory(username='waiting')

        response = client.post(ACCOUNTS, json={**ADA, 'username': username})

        fails_with(response, 'username', status=409)

    @pytest.mark.parametrize(
        ('changes', 'field'),
        [
            ({'username': 'me'}, 'username'),
            ({'username': 'roles'}, 'username'),
            ({'username': 7}, 'username'),
            ({'email': 'nowhere'}, 'email'),
            ({'email': ['ada@example.com', 'eve@example.com']}, 'email'),
            ({'password': 'zqk93v7'}, 'password'),
            ({'password': 'x' * 129}, 'password'),
            ({'password': 12345678}, 'password'),
            ({'password': 'password'}, 'password'),
            ({'name': 'x' * 81}, 'name'),
            ({'name': 'Ada\r\nBcc: eve@example.com'}, 'name'),
        ],
    )
    def test_rejects_invalid_values(self, client, mailbox, changes, field):
        response = client.post(ACCOUNTS, json={**ADA, **changes})

        fails_with(response, field)
        assert mailbox() == []

    @pytest.mark.parametrize('field', sorted(set(PROTECTED) - {'username', 'email', 'name'}))
    def test_rejects_fields_that_only_the_service_sets(self, client, field):
        response = client.post(ACCOUNTS, json={**ADA, field: 'admin'})

        fails_with(response, field)

    def test_does_not_hash_a_password_that_is_too_long(self, client, argon2_calls):
        with argon2_calls() as done:
            response = client.post(ACCOUNTS, json={**ADA, 'password': 'x' * 129})

        assert response.status_code == 422
        assert done == []

    @pytest.mark.usefixtures('travel')
    def test_returns_the_same_after_ten_a_day_for_known_and_unknown_users(self, client, queries):
        UserFactory(email='known@example.com')
        answers, ran = [], []

        for local_part in ('known', 'nobody'):
            body = {'email': f'{local_part}@example.com', 'password': PASSWORD}
            for number in range(10):
                name = {'username': f'{local_part}{number}'}
                assert client.post(ACCOUNTS, json={**body, **name}).status_code == 202
            with queries(max=20) as statements:
                answers.append(client.post(ACCOUNTS, json={**body, 'username': f'{local_part}x'}))
            ran.append(statements)

        fails_with(answers[0], 'attempts', status=429)
        assert response_signature(answers[0]) == response_signature(answers[1])
        assert ran[0] == ran[1]


class TestVerificationCreate:
    def test_returns_the_same_with_and_without_a_registration(self, client, mailbox, queries):
        UserFactory(email='known@example.com')
        UserFactory(email='both@example.com')
        RegistrationFactory(email='ada@example.com')
        RegistrationFactory(email='both@example.com')
        answers, ran = [], []

        for local_part in ('ada', 'known', 'both', 'nobody'):
            with queries(max=20) as statements:
                body = {'email': f'{local_part}@example.com'}
                answers.append(response_signature(client.post(VERIFICATIONS, json=body)))
            ran.append(statements)

        assert answers[0][0] == 202
        assert all(answer == answers[0] for answer in answers)
        assert all(statements == ran[0] for statements in ran)
        # Only email addresses with a pending registration receive a mail.
        assert {mail['To'] for mail in mailbox()} == {'ada@example.com', 'both@example.com'}

    def test_rejects_invalid_values(self, client):
        response = client.post(VERIFICATIONS, json={'email': 'nowhere', 'pin': '123456'})

        fails_with(response, 'email', 'pin')


class TestVerificationReplace:
    @pytest.fixture
    def pin(self, client, mailbox):
        """Return the PIN of Ada's registration."""
        client.post(ACCOUNTS, json=ADA)
        return mailbox.latest().code

    @pytest.fixture
    def verify(self, client):
        """Return a function that sends the request with the PIN of a registration."""

        def put(pin, **changes):
            body = {'email': 'ada@example.com', 'pin': pin, 'password': PASSWORD, **changes}
            return client.put(VERIFICATIONS, json=body)

        return put

    def test_creates_the_user_and_returns_the_location(self, verify, pin, logged_in):
        response = verify(pin)

        assert response.status_code == 201
        assert set(data(response)) == set(UserSchema().fields)
        assert response.headers['Location'] == f'/api/v1/users/{data(response)["id"]}'
        client = logged_in(User.find_by_username('ada'))
        assert data(client.get(response.headers['Location'])) == data(response)

    def test_rejects_a_second_use(self, verify, pin):
        verify(pin)

        response = verify(pin)

        fails_with(response, 'pin', reason='Wrong or expired')

    def test_returns_the_same_for_each_wrong_field(self, verify, pin):
        UserFactory(email='known@example.com')

        answers = [
            verify(other_than(pin)),
            verify(pin, password='wrong'),
            verify(pin, email='nobody@example.com'),
            verify(pin, email='known@example.com'),
        ]

        assert {answer.status_code for answer in answers} == {422}
        assert all(
            response_signature(answer) == response_signature(answers[0]) for answer in answers
        )

    def test_counts_wrong_pins_although_it_rejects_them(self, verify, pin):
        for _ in range(5):
            assert verify(other_than(pin)).status_code == 422

        assert verify(pin).status_code == 422

    def test_requires_the_pin_as_six_digits_of_text(self, verify, pin):
        for wrong in (int(pin), f' {pin}', f'{pin}\n', pin[:5], f'{pin}0', '١٢٣٤٥٦', None, [pin]):
            response = verify(wrong)

            fails_with(response, 'pin')

        # None of these requests counted as a wrong attempt.
        assert verify(pin).status_code == 201

    def test_throttles_a_network_for_15_minutes_at_most(self, client, verify, mailbox):
        client.post(ACCOUNTS, json=ADA)
        for _ in range(25):
            assert verify('000000', password='wrong').status_code == 422

        response = verify('000000')

        fails_with(response, 'attempts', status=429)
        assert 0 < int(response.headers['Retry-After']) <= 900

    def test_accepts_a_code_in_the_field_of_the_pin(self, client, verify, mailbox):
        client.post(ACCOUNTS, json=ADA)
        for _ in range(2):
            client.post(VERIFICATIONS, json={'email': 'ada@example.com'})

        code = mailbox.latest().code

        assert not code.isdigit()
        assert verify(code.lower().replace('-', '')).status_code == 201

    @pytest.mark.parametrize('field', ['roles', 'status', 'id', 'username', 'admin'])
    def test_rejects_fields_that_only_the_service_sets(self, verify, pin, field):
        response = verify(pin, **{field: 'admin'})

        fails_with(response, field)
