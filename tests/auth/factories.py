"""Factories of credentials, sessions, devices and registrations."""

from datetime import timedelta
from typing import Any

from factory import LazyAttribute, LazyFunction, Sequence, SubFactory, Trait

from project.auth.models import ApiKey, Credential, Device, Event, Registration, Session
from project.core.clock import now
from project.core.security.password_hashing import hash_password
from project.core.security.tokens import new_token, token_hash
from project.users.models import email_key
from tests.factories import ModelFactory
from tests.users.factories import UserFactory

PASSWORD = 'Analytical engine, 1843'


class CredentialFactory(ModelFactory):
    """The password of a user, by default of a new user: `CredentialFactory(password='…')`."""

    class Meta:
        model = Credential

    class Params:
        user = SubFactory(UserFactory)
        password = PASSWORD

    user_id = LazyAttribute(lambda credential: credential.user.id)
    password_hash = LazyAttribute(lambda credential: hash_password(credential.password))


class SessionFactory(ModelFactory):
    """A session with a fresh login: `SessionFactory(user=ada, token=token)`.

    `expired=True`: the session has expired. `idle=True`: it was last used an hour ago.
    `stale=True`: its login is too old for routes that require a fresh one.
    """

    class Meta:
        model = Session

    class Params:
        user = SubFactory(UserFactory)
        token = LazyFunction(lambda: new_token('pst'))
        expired = Trait(expires_at=LazyFunction(now), refresh_expires_at=LazyFunction(now))
        idle = Trait(last_used_at=LazyFunction(lambda: now() - timedelta(hours=1)))
        stale = Trait(authenticated_at=LazyFunction(lambda: now() - timedelta(minutes=11)))

    user_id = LazyAttribute(lambda session: session.user.id)
    token_hash = LazyAttribute(lambda session: token_hash(session.token))
    ip_address = Sequence(lambda n: f'192.0.2.{n % 256}')
    user_agent = Sequence(lambda n: f'browser/{n}')
    expires_at = LazyFunction(lambda: now() + timedelta(hours=1))
    refresh_expires_at = LazyFunction(lambda: now() + timedelta(days=30))
    absolute_expires_at = LazyFunction(lambda: now() + timedelta(days=90))


class DeviceFactory(ModelFactory):
    """A device that a user has used before: `DeviceFactory(user=ada, token=token)`."""

    class Meta:
        model = Device

    class Params:
        user = SubFactory(UserFactory)
        token = LazyFunction(lambda: new_token('pdv'))

    user_id = LazyAttribute(lambda device: device.user.id)
    token_hash = LazyAttribute(lambda device: token_hash(device.token))
    network = Sequence(lambda n: f'192.0.{n % 256}.0/24')
    user_agent = Sequence(lambda n: f'browser/{n}')
    expires_at = LazyFunction(lambda: now() + timedelta(days=90))


class RegistrationFactory(ModelFactory):
    """A registration without confirmation; `expired=True` creates one that has expired."""

    class Meta:
        model = Registration

    class Params:
        password = PASSWORD
        expired = Trait(expires_at=LazyFunction(now))

    username = Sequence(lambda n: f'waiting{n}')
    email = LazyAttribute(lambda registration: f'{registration.username}@example.com')
    email_key = LazyAttribute(lambda registration: email_key(registration.email))
    name = 'Ada Lovelace'
    password_hash = LazyAttribute(lambda registration: hash_password(registration.password))
    expires_at = LazyFunction(lambda: now() + timedelta(hours=24))


class ApiKeyFactory(ModelFactory):
    """API key of a user, without scopes: `ApiKeyFactory(user=ada, token=token)`."""

    class Meta:
        model = ApiKey

    class Params:
        user = SubFactory(UserFactory)
        token = LazyFunction(lambda: new_token('pak'))

    user_id = LazyAttribute(lambda key: key.user.id)
    name = Sequence(lambda n: f'key{n}')
    token_hash = LazyAttribute(lambda key: token_hash(key.token))
    prefix = LazyAttribute(lambda key: key.token[:12])
    scopes: list[str] = []


class EventFactory(ModelFactory):
    """Security event of a user."""

    class Meta:
        model = Event

    class Params:
        user = SubFactory(UserFactory)

    user_id = LazyAttribute(lambda event: event.user.id)
    event_type = 'login'
    outcome = 'success'
    actor = 'self'
    ip_address = Sequence(lambda n: f'192.0.2.{n % 256}')
    user_agent = Sequence(lambda n: f'browser/{n}')
    request_id = Sequence(lambda n: f'request{n}')
    details = '{}'


def account(password: str = PASSWORD, **user: Any) -> Any:
    """Create a user with a password; return the user."""
    made = UserFactory(**user)
    CredentialFactory(user=made, password=password)
    return made
