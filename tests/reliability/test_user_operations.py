"""Pairs of operations that write rows of the same user, on PostgreSQL.

Four of each run at the same time. No operation may make another one fail, by a deadlock or a
missing foreign key, or wait for long. `make soak` runs all pairs, CI the pairs that once failed.
"""

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import randrange
from tempfile import TemporaryFile
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from pyotp import TOTP

from project.auth.models import EmailChange
from project.auth.service import log_in, revoke_leaked, start_totp_enrolment, unlock
from project.auth.service.credentials.pins import issue_pin
from project.auth.service.email_changes import email_change_purpose
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.errors import ApiError
from project.users.models import email_key
from project.users.service import define_role, disable_user, enable_user, remove_avatar, set_avatar
from tests.auth.factories import PASSWORD, account
from tests.core.images.sample_images import encoded, halves
from tests.databases import create_tables
from tests.separate_app import application
from tests.users.factories import UserFactory, principal_of

from .harness import IS_LONG, figure

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(7200)]

ROUNDS = int(os.environ.get('SOAK_ROUNDS', '50')) if IS_LONG else 4
CALLS_PER_OPERATION = 4
MAX_SECONDS = 1.0
NEW_PASSWORD = 'Difference engine, 1822'

# A request, or a function that an operator's command calls.
Call = tuple[str, str, Any] | Callable[[], Any]


@dataclass
class Prepared:
    """A user on whom the operations run, with a login, PINs and a TOTP secret."""

    user: Any
    login: Any = None
    reset_pin: str = ''
    change_pin: str = ''
    totp_secret: str = 'A' * 32


def operations(prepared: Prepared) -> dict[str, Call]:
    """Return all operations that write rows of a user, by name.

    An admin sends the requests whose name begins with `admin`.
    """
    user, change_pin, reset_pin = prepared.user, prepared.change_pin, prepared.reset_pin
    me = f'/api/v1/users/{user.id}'
    auth = '/api/v1/auth'
    passwords = {'current_password': PASSWORD, 'new_password': NEW_PASSWORD}
    return {
        'change request': (
            'POST', f'{auth}/email-changes', {'new_email': f'new{user.id}@example.com'},
        ),
        'change confirm': ('PUT', f'{auth}/email-changes', {'pin': change_pin}),
        'password': ('PUT', f'{auth}/password', passwords),
        'reset': (
            'PUT', f'{auth}/password-resets',
            {'email': user.email, 'pin': reset_pin, 'new_password': NEW_PASSWORD},
        ),
        'reauthenticate': (
            'POST', f'{auth}/sessions/current/reauthentication', {'password': PASSWORD},
        ),
        'log in': ('POST', f'{auth}/sessions', {'user_or_email': user.email, 'password': PASSWORD}),
        'end others': ('DELETE', f'{auth}/sessions', None),
        'refresh': (
            'POST', f'{auth}/sessions/refresh',
            {'refresh_token': prepared.login and prepared.login.refresh_token},
        ),
        'log out': ('DELETE', f'{auth}/sessions/current', None),
        'key': ('POST', f'{auth}/keys', {'name': 'key', 'scopes': ['files:read']}),
        'totp': ('POST', f'{auth}/totp', None),
        'confirm totp': ('PUT', f'{auth}/totp', {'otp': TOTP(prepared.totp_secret).at(now())}),
        'remove totp': ('DELETE', f'{auth}/totp', None),
        'recovery codes': ('POST', f'{auth}/recovery-codes', None),
        'export': ('POST', '/api/v1/users/me/exports', {}),
        'file': ('POST', '/api/v1/files?name=a.txt', b'Hello.'),
        'avatar': lambda: upload_avatar(user.id),
        'remove avatar': lambda: remove_avatar(user.id),
        'delete self': ('DELETE', '/api/v1/users/me', None),
        'disable and enable': lambda: (disable_user(user.id), enable_user(user.id)),
        'unlock': lambda: unlock(user.username),
        'leaked': lambda: revoke_leaked(prepared.login.token),
        'rename': ('PATCH', '/api/v1/users/me', {'name': 'Ada'}),
        'admin email': ('PATCH', me, {'email': f'other{user.id}@example.com'}),
        'admin roles': ('PUT', f'{me}/roles', {'roles': ['member']}),
        'admin delete': ('DELETE', me, None),
        'admin role': ('PUT', '/api/v1/users/roles/readers', {'permissions': ['files:read']}),
        'admin delete role': ('DELETE', '/api/v1/users/roles/readers', None),
    }  # fmt: skip


NAMES = list(operations(Prepared(UserFactory.build(id=1))))
# The pairs that once deadlocked, or inserted a row for a user who was deleted at the same time.
FAILED_ONCE = [
    ('change request', 'change confirm'),
    ('change confirm', 'admin delete'),
    ('reset', 'admin delete'),
    ('password', 'admin delete'),
    ('key', 'admin delete'),
    ('export', 'admin delete'),
    ('file', 'admin delete'),
]
PAIRS = list(itertools.combinations_with_replacement(NAMES, 2)) if IS_LONG else FAILED_ONCE


@pytest.fixture(scope='module')
def own_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Yield an application with its own database, which really commits transactions."""
    assert os.environ.get('TEST_DATABASE_URL'), 'needs PostgreSQL: see .ci/run'
    with application(Path(tmp_path_factory.mktemp('pairs')), 'pairs') as app:
        create_tables()
        app.config['RATELIMIT_ENABLED'] = False
        yield app


def request(app: Flask, call: Call, token: str) -> tuple[int, float]:
    """Send a request or call an operator's function.

    :returns: the status, and the seconds.
    """
    if callable(call):
        return command(app, call)
    method, path, body = call
    more = {'data': body} if isinstance(body, bytes) else {'json': body}
    began = time.monotonic()
    response = app.test_client().open(
        path, method=method, headers={'Authorization': f'Bearer {token}'},
        # Each request comes from another network, so that no attempt counter of a network is used
        # up.
        environ_base={'REMOTE_ADDR': f'10.{randrange(256)}.{randrange(256)}.1'}, **more,
    )  # fmt: skip
    return response.status_code, time.monotonic() - began


def upload_avatar(user_id: int) -> None:
    with TemporaryFile() as file:
        file.write(encoded(halves(8, 8)).getvalue())
        file.seek(0)
        set_avatar(user_id, file)


def command(app: Flask, call: Callable[[], Any]) -> tuple[int, float]:
    began, status = time.monotonic(), 200
    with app.app_context():
        try:
            call()
        except ApiError as error:
            status = error.http_code
    return status, time.monotonic() - began


def prepare() -> Prepared:
    """Create a user with a pending reset, email change and second factor."""
    user = account()
    login = log_in(user_or_email=user.username, password=PASSWORD)
    secret = start_totp_enrolment(principal_of(user)).secret
    new_email = f'wish{user.id}@example.com'
    with atomic():
        reset_pin = issue_pin('password-reset', user.email).text
        change_pin = issue_pin(email_change_purpose(user.id), new_email).text
        db.session.add(
            EmailChange(
                user_id=user.id,
                email=new_email,
                email_key=email_key(new_email),
                expires_at=now() + timedelta(hours=1),
            )
        )
    return Prepared(user, login, reset_pin, change_pin, secret)


def run_concurrently(calls: list[Callable[[], tuple[int, float]]]) -> list[tuple[int, float]]:
    barrier = Barrier(len(calls))

    def run(call: Callable[[], tuple[int, float]]) -> tuple[int, float]:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


@pytest.mark.parametrize(('one', 'other'), PAIRS)
def test_operations_do_not_make_each_other_fail(own_app: Flask, one: str, other: str) -> None:
    statuses: Counter[int] = Counter()
    slowest = 0.0
    for _ in range(ROUNDS):
        # The application context of other fixtures uses the shared test database, so leave it.
        with own_app.app_context():
            prepared, admin = prepare(), account(roles=['member', 'admin'])
            define_role('readers', ['files:read'])
            admin_token = log_in(user_or_email=admin.username, password=PASSWORD).token
            tokens = {True: admin_token, False: prepared.login.token}
            known = operations(prepared)
        found = run_concurrently(
            [
                partial(request, own_app, known[name], tokens[name.startswith('admin')])
                for name in [one, other] * CALLS_PER_OPERATION
            ]
        )
        statuses.update(status for status, _ in found)
        slowest = max(slowest, *(seconds for _, seconds in found))
    figure(one, '+', other, dict(statuses), 'slowest:', round(slowest, 2), 's')

    assert {status for status in statuses if status >= 500} == set()
    # The user has no second factor and no avatar, so these operations always fail.
    assert {one, other} <= {'recovery codes', 'remove totp', 'remove avatar'} or min(statuses) < 300
    # In CI, other tests affect the durations too much.
    assert slowest < MAX_SECONDS or not IS_LONG
