"""Models: finders of credentials and registrations."""

from datetime import timedelta

from project.auth.models import Credential, Registration
from project.core.clock import now
from tests.auth.factories import CredentialFactory, RegistrationFactory


class TestCredentialFindHash:
    def test_returns_the_hash(self):
        credential = CredentialFactory()

        assert Credential.find_hash(credential.user_id) == credential.password_hash

    def test_returns_none_for_an_unknown_user(self):
        assert Credential.find_hash(0) is None


class TestCredentialFindValidHash:
    def test_returns_a_hash_that_has_not_expired(self):
        permanent = CredentialFactory()
        temporary = CredentialFactory(expires_at=now() + timedelta(minutes=1))

        for credential in (permanent, temporary):
            assert Credential.find_valid_hash(credential.user_id) == credential.password_hash

    def test_returns_none_if_the_hash_has_expired(self):
        assert Credential.find_valid_hash(CredentialFactory(expires_at=now()).user_id) is None


class TestCredentialFindHashForLogin:
    HIGHEST = (1 << 31) - 1

    def test_returns_the_own_hash_for_any_position(self):
        credentials = [CredentialFactory() for _ in range(3)]

        for credential in credentials:
            for position in (0, self.HIGHEST):
                found = Credential.find_hash_for_login(credential.user_id, position)
                assert found == (credential.password_hash, credential.password_hash)

    def test_returns_the_hash_of_another_user_by_position(self):
        credentials = [CredentialFactory() for _ in range(5)]

        for credential in credentials:
            found = Credential.find_hash_for_login(0, credential.user_id)
            assert found == (None, credential.password_hash)
        assert Credential.find_hash_for_login(0, 0) == (None, credentials[0].password_hash)

    def test_returns_an_expired_hash_only_for_equal_timing(self):
        other, own = CredentialFactory(), CredentialFactory(expires_at=now())

        found = Credential.find_hash_for_login(own.user_id, 0)

        assert found == (None, own.password_hash)
        assert other.password_hash not in found

    def test_returns_none_without_credentials(self):
        assert Credential.find_hash_for_login(0, 1) == (None, None)

    def test_returns_the_same_user_after_others_are_created(self):
        first = [CredentialFactory(password_hash=f'hash {number}') for number in range(32)]
        # `position` selects a stored hash. Every one of these positions selects the hash of one of
        # the 32 users.
        positions = [(1 << 30) + credential.user_id for credential in first]
        before = [Credential.find_hash_for_login(0, position) for position in positions]
        assert len(set(before)) == 32

        for _ in range(8):
            CredentialFactory(password_hash='hash of a new user')

        assert [Credential.find_hash_for_login(0, position) for position in positions] == before


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

    def test_ignores_expired_registrations(self):
        RegistrationFactory(email='ada@example.com', expired=True)

        assert Registration.find_pending('ada@example.com') == []


class TestRegistrationFindByUsername:
    def test_ignores_the_case(self):
        RegistrationFactory(username='ada')

        assert Registration.find_by_username('ADA').username == 'ada'
        assert Registration.find_by_username('ad') is None

    def test_ignores_an_expired_registration(self):
        RegistrationFactory(username='ada', expired=True)

        assert Registration.find_by_username('ada') is None
