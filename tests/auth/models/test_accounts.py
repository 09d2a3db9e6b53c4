"""Models: finders of credentials and registrations."""

from datetime import timedelta

from project.auth.models import Credential, Registration
from project.core.clock import now
from tests.auth.factories import CredentialFactory, RegistrationFactory


class TestCredentialFindHash:
    def test_returns_it(self):
        credential = CredentialFactory()

        assert Credential.find_hash(credential.user_id) == credential.password_hash

    def test_returns_nothing_of_nobody(self):
        assert Credential.find_hash(0) is None


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
