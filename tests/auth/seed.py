"""Passwords, sessions, API keys and registrations of the development database."""

from datetime import timedelta

from project.core.clock import now
from project.core.security.password_hashing import hash_password
from project.core.security.permissions import default_permissions
from project.core.security.tokens import new_token
from tests.seeding import World

from .factories import (
    PASSWORD,
    ApiKeyFactory,
    CredentialFactory,
    DeviceFactory,
    EventFactory,
    RegistrationFactory,
    SessionFactory,
)

BROWSERS = (
    'Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0',
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15',
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/139.0.0.0 Mobile Safari/537.36',
    'curl/8.14.1',
)


def seed_passwords(world: World) -> None:
    """Give all active users the same password, which the command prints."""
    # One hash for all: it takes 45 ms.
    password_hash = hash_password(PASSWORD)
    for user in world.users:
        CredentialFactory(user=user, password_hash=password_hash)
    names = {user.username for user in world.users}
    for login in world.logins:
        login.password = PASSWORD if login.username in names else login.password
    world.hints.append(
        f'curl -s {world.url}/auth/sessions --json '
        f'\'{{"user_or_email": "ada", "password": "{PASSWORD}"}}\''
    )


def seed_sessions(world: World) -> None:
    """Create sessions, devices and events of logins. One of four sessions has expired."""
    for user in world.users:
        for _ in range(world.random.randint(1, 3)):
            browser, address = world.random.choice(BROWSERS), _address(world)
            moment = world.past(20)
            session = SessionFactory(
                user=user, user_agent=browser, ip_address=address,
                created_at=moment, authenticated_at=moment, last_used_at=moment,
                expired=world.random.random() < 0.25,
            )  # fmt: skip
            DeviceFactory(
                user=user, user_agent=browser, network=f'{address.rpartition(".")[0]}.0/24'
            )
            EventFactory(
                user=user, user_agent=browser, ip_address=address, created_at=moment,
                details=f'{{"session": "{session.id}", "new_device": true}}',
            )  # fmt: skip
        if world.random.random() < 0.3:
            EventFactory(
                user=user, outcome='failure', ip_address=_address(world), created_at=world.past(20),
                details='{"reason": "password"}',
            )  # fmt: skip


def seed_api_keys(world: World) -> None:
    """Create an API key of the first user, which the command prints, and keys of some others."""
    scopes = sorted(default_permissions())
    token = new_token('pak')
    ApiKeyFactory(user=world.users[0], token=token, name='notebook', scopes=scopes)
    world.hints.append(f"curl -s {world.url}/users/me -H 'Authorization: Bearer {token}'")
    for user in world.users[1::3]:
        ApiKeyFactory(
            user=user, name='nightly report', scopes=scopes[:1],
            expires_at=now() + timedelta(days=world.random.randint(5, 300)),
        )  # fmt: skip


def seed_registrations(world: World) -> None:
    """Create a registration that its user has not confirmed, and an expired one."""
    for name, expired in (('joan', False), ('hedy', True)):
        RegistrationFactory(
            username=name, email=f'{name}@example.com', name=name.title(), expired=expired
        )
    world.hints.append('flask auth events --limit 10')


def _address(world: World) -> str:
    """Return a random IP address of a network for documentation (RFC 5737)."""
    network = world.random.choice(('192.0.2', '198.51.100', '203.0.113'))
    return f'{network}.{world.random.randint(1, 254)}'
