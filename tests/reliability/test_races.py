"""Concurrent use of codes that are valid only once: one request succeeds (ASVS 6.5.1, 15.4.2).

Eight clients send the same code to two web workers at the same time, to one endpoint or to two
different ones.
"""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, local
from typing import Any

import pyotp
import pytest
import requests

from tests.kit.mailbox import parse_mail

from .accounts import API, PASSWORD, create_users, log_in
from .harness import IS_LONG, ServiceUnderTest, figure, service_under_test, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

ITEMS = 125 if IS_LONG else 6
AT_ONCE = 8
CASES = ['sqlite', 'postgresql'] if IS_LONG else ['postgresql']

CODE = re.compile(r'^\s*(\d{6}|[A-Z2-7-]{16,19})\s*$', re.MULTILINE)
SUBJECTS = {
    'verification': 'Your code to confirm this address',
    'invitation': 'You are invited',
    'reset': 'Your code for a new password',
    'change': 'Your code to use this address',
}

thread_local = local()


@dataclass(frozen=True)
class Endpoint:
    """A request that uses up a code."""

    method: str
    path: str
    body: dict[str, Any]
    token: str = ''


@dataclass(frozen=True)
class Item:
    """A code or token that is valid only once, and the requests that compete for it."""

    number: int
    endpoints: list[Endpoint] = field(default_factory=list)


Prepare = Callable[[ServiceUnderTest, str], list[Item]]


def codes(service: ServiceUnderTest, kind: str, addresses: list[str]) -> dict[str, str]:
    """Wait for the mails of a kind to these email addresses; return the code for each."""
    known: dict[str, str] = {}
    seen: set[Path] = set()

    def has_all_mails() -> bool:
        for path in set((service.var / 'mail').glob('*.eml')) - seen:
            seen.add(path)
            mail = parse_mail(path.read_bytes())
            if mail['Subject'] == SUBJECTS[kind]:
                known[str(mail['To'])] = mail.code
        return known.keys() >= set(addresses)

    wait_until(has_all_mails, 120)
    return known


def names(word: str) -> list[str]:
    """Return a different username for each item."""
    return [f'{word}-{number}' for number in range(ITEMS)]


def mail_of(name: str) -> str:
    """Return the email address of the user with this name."""
    return f'{name}@example.com'


def send(service: ServiceUnderTest, number: int, endpoint: Endpoint) -> requests.Response:
    """Send a request from the IP network of an item.

    Each thread reuses one connection.
    """
    if not hasattr(thread_local, 'session'):
        thread_local.session = requests.Session()
    headers = {'X-Forwarded-For': network_of(number)}
    if endpoint.token:
        headers['Authorization'] = f'Bearer {endpoint.token}'
    url = service.url + API + endpoint.path
    answer: requests.Response = thread_local.session.request(
        endpoint.method, url, json=endpoint.body, headers=headers, timeout=60
    )
    return answer


def network_of(number: int) -> str:
    """Return an IP address; each number has its own network."""
    return f'10.{number // 256}.{number % 256}.1'


def sessions_of(service: ServiceUnderTest, users: list[str]) -> list[dict[str, Any]]:
    """Create users and log them in; return the data of the login responses."""
    create_users(service, *users)
    return [log_in(service, user).json()['data'] for user in users]


def register(service: ServiceUnderTest, users: list[str], addresses: list[str]) -> dict[str, str]:
    """Register users; return the code in the mail to each email address."""
    for number, (user, address) in enumerate(zip(users, addresses, strict=True)):
        body = {'username': user, 'email': address, 'password': PASSWORD}
        send(service, number, Endpoint('POST', '/auth/accounts', body))
    return codes(service, 'verification', addresses)


def invite(service: ServiceUnderTest, addresses: list[str]) -> dict[str, str]:
    """Invite users; return the code in the mail to each email address."""
    name = f'admin-{time.monotonic_ns()}'
    printed = service.flask('create-user', name, '--email', mail_of(name), '--admin', '--generate')
    password = printed.split('Password: ')[1].strip()
    token = log_in(service, name, password).json()['data']['token']
    for number, address in enumerate(addresses):
        send(service, number, Endpoint('POST', '/auth/invitations', {'email': address}, token))
    return codes(service, 'invitation', addresses)


def request_email_changes(
    service: ServiceUnderTest, sessions: list[dict[str, Any]], addresses: list[str]
) -> dict[str, str]:
    """Request a change of each email address; return the code for each new address."""
    for number, (session, address) in enumerate(zip(sessions, addresses, strict=True)):
        endpoint = Endpoint('POST', '/auth/email-changes', {'new_email': address}, session['token'])
        send(service, number, endpoint)
    return codes(service, 'change', addresses)


def enrol(service: ServiceUnderTest, sessions: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Enable the second factor of each user; return each secret and its recovery codes."""
    found = []
    for number, session in enumerate(sessions):
        token = session['token']
        secret = send(service, number, Endpoint('POST', '/auth/totp', {}, token)).json()['data'][
            'secret'
        ]
        endpoint = Endpoint('PUT', '/auth/totp', {'otp': pyotp.TOTP(secret).now()}, token)
        found.append((secret, send(service, number, endpoint).json()['data']['recovery_codes']))
    return found


def verification_request(address: str, pin: str) -> Endpoint:
    """Return the request that confirms a registration."""
    body = {'email': address, 'pin': pin, 'password': PASSWORD}
    return Endpoint('PUT', '/auth/verifications', body)


def acceptance_request(address: str, code: str, username: str) -> Endpoint:
    """Return the request that accepts an invitation and chooses a username."""
    body = {'email': address, 'code': code, 'password': PASSWORD, 'username': username}
    return Endpoint('PUT', '/auth/invitations', body)


def login_request(user: str, **factor: str) -> Endpoint:
    """Return the request that logs in with a second factor."""
    return Endpoint(
        'POST', '/auth/sessions', {'user_or_email': user, 'password': PASSWORD, **factor}
    )


def reauthentication_request(token: str, **factor: str) -> Endpoint:
    """Return the request that enters password and second factor again in a session."""
    body = {'password': PASSWORD, **factor}
    return Endpoint('POST', '/auth/sessions/current/reauthentication', body, token)


def verifications(service: ServiceUnderTest, word: str) -> list[Item]:
    users = names(word)
    pins = register(service, users, [mail_of(user) for user in users])
    return [
        Item(n, [verification_request(mail_of(user), pins[mail_of(user)])] * AT_ONCE)
        for n, user in enumerate(users)
    ]


def invitations(service: ServiceUnderTest, word: str) -> list[Item]:
    addresses = [mail_of(name) for name in names(word)]
    found = invite(service, addresses)
    return [
        Item(
            n,
            [acceptance_request(a, found[a], f'{word}-{n}-{client}') for client in range(AT_ONCE)],
        )
        for n, a in enumerate(addresses)
    ]


def verifications_and_invitations(service: ServiceUnderTest, word: str) -> list[Item]:
    users = names(word)
    addresses = [mail_of(user) for user in users]
    pins, found = register(service, users, addresses), invite(service, addresses)
    return [
        Item(n, [
            *[verification_request(a, pins[a])] * (AT_ONCE // 2),
            *[
                acceptance_request(a, found[a], f'{word}-{n}-{client}')
                for client in range(AT_ONCE // 2)
            ],
        ])
        for n, a in enumerate(addresses)
    ]  # fmt: skip


def resets(service: ServiceUnderTest, word: str) -> list[Item]:
    users = names(word)
    create_users(service, *users)
    for number, user in enumerate(users):
        send(service, number, Endpoint('POST', '/auth/password-resets', {'email': mail_of(user)}))
    pins = codes(service, 'reset', [mail_of(user) for user in users])
    return [
        Item(n, [
            Endpoint('PUT', '/auth/password-resets', {
                'email': a, 'pin': pins[a], 'new_password': f'{PASSWORD} {client}',
            })
            for client in range(AT_ONCE)
        ])
        for n, a in enumerate(map(mail_of, users))
    ]  # fmt: skip


def email_changes(service: ServiceUnderTest, word: str) -> list[Item]:
    sessions = sessions_of(service, names(word))
    addresses = [mail_of(f'new-{name}') for name in names(word)]
    pins = request_email_changes(service, sessions, addresses)
    return [
        Item(
            n,
            [Endpoint('PUT', '/auth/email-changes', {'pin': pins[a]}, session['token'])] * AT_ONCE,
        )
        for n, (a, session) in enumerate(zip(addresses, sessions, strict=True))
    ]


def email_changes_and_verifications(service: ServiceUnderTest, word: str) -> list[Item]:
    sessions = sessions_of(service, names(word))
    addresses = [mail_of(f'both-{name}') for name in names(word)]
    pins = register(service, [f'{name}-b' for name in names(word)], addresses)
    changes = request_email_changes(service, sessions, addresses)
    half = AT_ONCE // 2
    return [
        Item(n, [
            *[Endpoint('PUT', '/auth/email-changes', {'pin': changes[a]}, session['token'])] * half,
            *[verification_request(a, pins[a])] * half,
        ])
        for n, (a, session) in enumerate(zip(addresses, sessions, strict=True))
    ]  # fmt: skip


def refreshes(service: ServiceUnderTest, word: str) -> list[Item]:
    return [
        Item(n, [
            Endpoint('POST', '/auth/sessions/refresh', {'refresh_token': session['refresh_token']})
        ] * AT_ONCE)
        for n, session in enumerate(sessions_of(service, names(word)))
    ]  # fmt: skip


def factors(service: ServiceUnderTest, word: str, *, is_code: bool, endpoints: int) -> list[Item]:
    users = names(word)
    sessions = sessions_of(service, users)
    enrolled = enrol(service, sessions)
    items = []
    for n, (user, session, (secret, recovery)) in enumerate(
        zip(users, sessions, enrolled, strict=True)
    ):
        # Use the code of the next time step, because the confirmation has used up the current one.
        otp = pyotp.TOTP(secret).at(int(time.time()) + 30)
        factor = {'recovery_code': recovery[0]} if is_code else {'otp': otp}
        log_in_again, reauthenticate = (
            login_request(user, **factor),
            reauthentication_request(session['token'], **factor),
        )
        half = AT_ONCE // 2
        items.append(
            Item(
                n,
                [log_in_again] * AT_ONCE
                if endpoints == 1
                else [log_in_again] * half + [reauthenticate] * half,
            )
        )
    return items


def steps(service: ServiceUnderTest, word: str) -> list[Item]:
    return factors(service, word, is_code=False, endpoints=1)


def second_factor_steps_at_two_endpoints(service: ServiceUnderTest, word: str) -> list[Item]:
    return factors(service, word, is_code=False, endpoints=2)


def recovery_codes(service: ServiceUnderTest, word: str) -> list[Item]:
    return factors(service, word, is_code=True, endpoints=1)


def recovery_codes_at_two_endpoints(service: ServiceUnderTest, word: str) -> list[Item]:
    return factors(service, word, is_code=True, endpoints=2)


KINDS: list[Prepare] = [
    verifications, invitations, resets, email_changes, refreshes, steps, recovery_codes,
    verifications_and_invitations, email_changes_and_verifications,
    second_factor_steps_at_two_endpoints, recovery_codes_at_two_endpoints,
]  # fmt: skip


def count_uses(kind: Prepare, answers: list[requests.Response]) -> int:
    """Return how many requests have used the code.

    All refreshes with one token succeed and must return the same new token, so their different new
    tokens are counted.
    """
    done = [answer for answer in answers if answer.ok]
    if kind is refreshes:
        assert len(done) == AT_ONCE
        return len({answer.json()['data']['refresh_token'] for answer in done})
    return len(done)


@pytest.fixture(scope='module', params=CASES)
def service(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[ServiceUnderTest]:
    # Allow many threads and concurrent hashes, so that the requests overlap.
    settings = {
        'TRUSTED_PROXIES': '1', 'AUTH_HASH_MEMORY_KIB': '64', 'AUTH_HASH_ROUNDS': '1',
        'AUTH_HASH_CONCURRENCY': '64', 'GUNICORN_CMD_ARGS': '--threads 64',
    }  # fmt: skip
    with service_under_test(tmp_path_factory.mktemp('races'), request.param, **settings) as service:
        yield service


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.__name__)
def test_one_of_eight_concurrent_requests_succeeds(
    service: ServiceUnderTest, kind: Prepare
) -> None:
    items = kind(service, f'race{KINDS.index(kind)}')
    used: list[int] = []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for item in items:
            start = Barrier(AT_ONCE)

            def send_together(endpoint: Endpoint, item: Item = item, start: Barrier = start) -> Any:
                start.wait()
                return send(service, item.number, endpoint)

            answers = list(threads.map(send_together, item.endpoints))
            assert max(answer.status_code for answer in answers) < 500
            used.append(count_uses(kind, answers))

    twice = [count for count in used if count > 1]
    figure(f'{service.engine.name}, {kind.__name__}: {len(used)} raced, {len(twice)} used twice')
    assert used == [1] * ITEMS
