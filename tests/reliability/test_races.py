"""What is used once is used once, by however many at once, on two workers (ASVS 6.5.1, 15.4.2).

Eight clients come with the same code at the same moment, through one endpoint or through two.
"""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from threading import Barrier, local
from typing import Any

import pyotp
import pytest
import requests

from .accounts import API, PASSWORD, log_in, make_users
from .harness import IS_LONG, Attacked, attacked, figure, wait_until

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

own = local()


@dataclass(frozen=True)
class Endpoint:
    """A request that uses something up."""

    method: str
    path: str
    body: dict[str, Any]
    token: str = ''


@dataclass(frozen=True)
class Item:
    """Something that can be used once, and who comes with it at the same moment."""

    number: int
    endpoints: list[Endpoint] = field(default_factory=list)


Prepare = Callable[[Attacked, str], list[Item]]


def codes(service: Attacked, kind: str, addresses: list[str]) -> dict[str, str]:
    """Wait for the mails of a kind to these addresses, and return the code in each."""
    known: dict[str, str] = {}
    seen: set[Path] = set()

    def look() -> bool:
        for path in set((service.var / 'mail').glob('*.eml')) - seen:
            seen.add(path)
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            if mail['Subject'] == SUBJECTS[kind]:
                body = mail.get_body(('plain',))
                assert body is not None
                known[str(mail['To'])] = CODE.findall(body.get_content())[0]
        return known.keys() >= set(addresses)

    wait_until(look, 120)
    return known


def names(word: str) -> list[str]:
    """Return a name for each item."""
    return [f'{word}-{number}' for number in range(ITEMS)]


def mail_of(name: str) -> str:
    """Return the address of a name."""
    return f'{name}@example.com'


def ask(service: Attacked, number: int, endpoint: Endpoint) -> requests.Response:
    """Send one request; each item has a network, and each thread a connection, of its own."""
    if not hasattr(own, 'session'):
        own.session = requests.Session()
    headers = {'X-Forwarded-For': network_of(number)}
    if endpoint.token:
        headers['Authorization'] = f'Bearer {endpoint.token}'
    url = service.url + API + endpoint.path
    answer: requests.Response = own.session.request(
        endpoint.method, url, json=endpoint.body, headers=headers, timeout=60
    )
    return answer


def network_of(number: int) -> str:
    """Return an address in a network of its own."""
    return f'10.{number // 256}.{number % 256}.1'


def sessions_of(service: Attacked, users: list[str]) -> list[dict[str, Any]]:
    """Make users, log each in, and return what they are answered."""
    make_users(service, *users)
    return [log_in(service, user).json()['data'] for user in users]


def register(service: Attacked, users: list[str], addresses: list[str]) -> dict[str, str]:
    """Register, and return the code that was mailed to each address."""
    for number, (user, address) in enumerate(zip(users, addresses, strict=True)):
        body = {'username': user, 'email': address, 'password': PASSWORD}
        ask(service, number, Endpoint('POST', '/auth/accounts', body))
    return codes(service, 'verification', addresses)


def invite(service: Attacked, addresses: list[str]) -> dict[str, str]:
    """Invite, and return the code that was mailed to each address."""
    name = f'admin-{time.monotonic_ns()}'
    printed = service.flask('create-user', name, '--email', mail_of(name), '--admin', '--generate')
    password = printed.split('Password: ')[1].strip()
    token = log_in(service, name, password).json()['data']['token']
    for number, address in enumerate(addresses):
        ask(service, number, Endpoint('POST', '/auth/invitations', {'email': address}, token))
    return codes(service, 'invitation', addresses)


def wish(service: Attacked, sessions: list[dict[str, Any]], addresses: list[str]) -> dict[str, str]:
    """Wish for other addresses, and return the code that was mailed to each."""
    for number, (session, address) in enumerate(zip(sessions, addresses, strict=True)):
        endpoint = Endpoint('POST', '/auth/email-changes', {'new_email': address}, session['token'])
        ask(service, number, endpoint)
    return codes(service, 'change', addresses)


def enrol(service: Attacked, sessions: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Turn the second factor on, and return each secret with its recovery codes."""
    found = []
    for number, session in enumerate(sessions):
        token = session['token']
        secret = ask(service, number, Endpoint('POST', '/auth/totp', {}, token)).json()['data'][
            'secret'
        ]
        endpoint = Endpoint('PUT', '/auth/totp', {'otp': pyotp.TOTP(secret).now()}, token)
        found.append((secret, ask(service, number, endpoint).json()['data']['recovery_codes']))
    return found


def verifying(address: str, pin: str) -> Endpoint:
    """Confirm a registration."""
    body = {'email': address, 'pin': pin, 'password': PASSWORD}
    return Endpoint('PUT', '/auth/verifications', body)


def accepting(address: str, code: str, username: str) -> Endpoint:
    """Accept an invitation under a name."""
    body = {'email': address, 'code': code, 'password': PASSWORD, 'username': username}
    return Endpoint('PUT', '/auth/invitations', body)


def entering(user: str, **factor: str) -> Endpoint:
    """Log in with a second factor."""
    return Endpoint(
        'POST', '/auth/sessions', {'user_or_email': user, 'password': PASSWORD, **factor}
    )


def proving(token: str, **factor: str) -> Endpoint:
    """Log in anew, within a session."""
    body = {'password': PASSWORD, **factor}
    return Endpoint('POST', '/auth/sessions/current/reauthentication', body, token)


def verifications(service: Attacked, word: str) -> list[Item]:
    users = names(word)
    pins = register(service, users, [mail_of(user) for user in users])
    return [
        Item(n, [verifying(mail_of(user), pins[mail_of(user)])] * AT_ONCE)
        for n, user in enumerate(users)
    ]


def invitations(service: Attacked, word: str) -> list[Item]:
    addresses = [mail_of(name) for name in names(word)]
    found = invite(service, addresses)
    return [
        Item(n, [accepting(a, found[a], f'{word}-{n}-{who}') for who in range(AT_ONCE)])
        for n, a in enumerate(addresses)
    ]


def verifications_and_invitations(service: Attacked, word: str) -> list[Item]:
    users = names(word)
    addresses = [mail_of(user) for user in users]
    pins, found = register(service, users, addresses), invite(service, addresses)
    return [
        Item(n, [
            *[verifying(a, pins[a])] * (AT_ONCE // 2),
            *[accepting(a, found[a], f'{word}-{n}-{who}') for who in range(AT_ONCE // 2)],
        ])
        for n, a in enumerate(addresses)
    ]  # fmt: skip


def resets(service: Attacked, word: str) -> list[Item]:
    users = names(word)
    make_users(service, *users)
    for number, user in enumerate(users):
        ask(service, number, Endpoint('POST', '/auth/password-resets', {'email': mail_of(user)}))
    pins = codes(service, 'reset', [mail_of(user) for user in users])
    return [
        Item(n, [
            Endpoint('PUT', '/auth/password-resets', {
                'email': a, 'pin': pins[a], 'new_password': f'{PASSWORD} {who}',
            })
            for who in range(AT_ONCE)
        ])
        for n, a in enumerate(map(mail_of, users))
    ]  # fmt: skip


def email_changes(service: Attacked, word: str) -> list[Item]:
    sessions = sessions_of(service, names(word))
    addresses = [mail_of(f'new-{name}') for name in names(word)]
    pins = wish(service, sessions, addresses)
    return [
        Item(
            n,
            [Endpoint('PUT', '/auth/email-changes', {'pin': pins[a]}, session['token'])] * AT_ONCE,
        )
        for n, (a, session) in enumerate(zip(addresses, sessions, strict=True))
    ]


def email_changes_and_verifications(service: Attacked, word: str) -> list[Item]:
    sessions = sessions_of(service, names(word))
    addresses = [mail_of(f'both-{name}') for name in names(word)]
    pins = register(service, [f'{name}-b' for name in names(word)], addresses)
    changes = wish(service, sessions, addresses)
    half = AT_ONCE // 2
    return [
        Item(n, [
            *[Endpoint('PUT', '/auth/email-changes', {'pin': changes[a]}, session['token'])] * half,
            *[verifying(a, pins[a])] * half,
        ])
        for n, (a, session) in enumerate(zip(addresses, sessions, strict=True))
    ]  # fmt: skip


def refreshes(service: Attacked, word: str) -> list[Item]:
    return [
        Item(n, [
            Endpoint('POST', '/auth/sessions/refresh', {'refresh_token': session['refresh_token']})
        ] * AT_ONCE)
        for n, session in enumerate(sessions_of(service, names(word)))
    ]  # fmt: skip


def factors(service: Attacked, word: str, *, is_code: bool, endpoints: int) -> list[Item]:
    users = names(word)
    sessions = sessions_of(service, users)
    enrolled = enrol(service, sessions)
    items = []
    for n, (user, session, (secret, recovery)) in enumerate(
        zip(users, sessions, enrolled, strict=True)
    ):
        # The next step: the one that confirmed the authenticator is used up.
        otp = pyotp.TOTP(secret).at(int(time.time()) + 30)
        factor = {'recovery_code': recovery[0]} if is_code else {'otp': otp}
        enter, prove = entering(user, **factor), proving(session['token'], **factor)
        half = AT_ONCE // 2
        items.append(
            Item(n, [enter] * AT_ONCE if endpoints == 1 else [enter] * half + [prove] * half)
        )
    return items


def steps(service: Attacked, word: str) -> list[Item]:
    return factors(service, word, is_code=False, endpoints=1)


def second_factor_steps_at_two_endpoints(service: Attacked, word: str) -> list[Item]:
    return factors(service, word, is_code=False, endpoints=2)


def recovery_codes(service: Attacked, word: str) -> list[Item]:
    return factors(service, word, is_code=True, endpoints=1)


def recovery_codes_at_two_endpoints(service: Attacked, word: str) -> list[Item]:
    return factors(service, word, is_code=True, endpoints=2)


KINDS: list[Prepare] = [
    verifications, invitations, resets, email_changes, refreshes, steps, recovery_codes,
    verifications_and_invitations, email_changes_and_verifications,
    second_factor_steps_at_two_endpoints, recovery_codes_at_two_endpoints,
]  # fmt: skip


def used_by(kind: Prepare, answers: list[requests.Response]) -> int:
    """Return how many had their way; of a refresh, how many different successors there are."""
    done = [answer for answer in answers if answer.ok]
    if kind is refreshes:
        assert len(done) == AT_ONCE
        return len({answer.json()['data']['refresh_token'] for answer in done})
    return len(done)


@pytest.fixture(scope='module', params=CASES)
def service(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Attacked]:
    # Many threads, and many turns: the races are to be real ones.
    settings = {
        'TRUSTED_PROXIES': '1', 'AUTH_HASH_MEMORY_KIB': '64', 'AUTH_HASH_ROUNDS': '1',
        'AUTH_HASH_CONCURRENCY': '64', 'GUNICORN_CMD_ARGS': '--threads 64',
    }  # fmt: skip
    with attacked(tmp_path_factory.mktemp('races'), request.param, **settings) as service:
        yield service


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.__name__)
def test_one_of_eight_has_their_way(service: Attacked, kind: Prepare) -> None:
    items = kind(service, f'race{KINDS.index(kind)}')
    used: list[int] = []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for item in items:
            start = Barrier(AT_ONCE)

            def come(endpoint: Endpoint, item: Item = item, start: Barrier = start) -> Any:
                start.wait()
                return ask(service, item.number, endpoint)

            answers = list(threads.map(come, item.endpoints))
            assert max(answer.status_code for answer in answers) < 500
            used.append(used_by(kind, answers))

    twice = [count for count in used if count > 1]
    figure(f'{service.engine.name}, {kind.__name__}: {len(used)} raced, {len(twice)} used twice')
    assert used == [1] * ITEMS
