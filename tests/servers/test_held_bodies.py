"""Permissions that are revoked while request bodies arrive, on a running service.

No worker may still use such a permission. `tests/integration/test_held_bodies.py` tests this for
each route; this module adds sockets, two web workers and commands in other processes.
"""

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests

from project.core.documents.openapi import join_documents
from tests.core.server.serving import Client
from tests.service import ROOT, Service, running_service, wait_for

# URLs, commands and tables of these features.
requires = ('auth',)

pytestmark = pytest.mark.servers

PASSWORD = 'Analytical engine, 1843'
REVOKED = ['disabled', 'deleted', 'demoted', 'session ended', 'password reset', 'key revoked']
ARGUMENTS = {'user_id': 1, 'user': 1, 'name': 'eves', 'file_id': uuid4()}
# Valid bodies, which would have an effect. All other bodies are invalid, but the service authorizes
# the request first.
BODIES = {
    'POST /api/v1/users': {'username': 'eve', 'email': 'eve@example.com', 'roles': ['admin']},
    'POST /api/v1/auth/invitations': {'email': 'eve@example.com', 'roles': ['admin']},
    'POST /api/v1/auth/keys': {'name': 'eve', 'scopes': ['users:write']},
    'PUT /api/v1/users/roles/eves': {'permissions': ['users:write']},
    'PATCH /api/v1/users/1': {'name': 'Eve'},
    'PUT /api/v1/users/1/roles': {'roles': ['member']},
}


@pytest.fixture
def service(tmp_path: Path) -> Any:
    """Run a service with two web workers."""
    with running_service(tmp_path, WEB_CONCURRENCY='2') as service:
        yield service


def call(service: Service, method: str, path: str, token: str = '', **body: Any) -> Any:
    """Send a request to the API and return the data of the response."""
    headers = {'Authorization': f'Bearer {token}'} if token else {}
    url = f'{service.url}/api/v1{path}'
    response = requests.request(method, url, json=body, headers=headers, timeout=10)
    assert response.ok, response.text
    return response.json()['data']


def create_admin(service: Service, name: str) -> tuple[int, str]:
    """Create a user with the role `admin`; return the id and a token."""
    output = service.flask('create-user', name, '--email', f'{name}@example.com', '--admin')
    password = output.split('Password: ')[1].strip()
    login = call(service, 'POST', '/auth/sessions', user_or_email=name, password=password)
    return login['user']['id'], login['token']


def calls(revoked: str) -> list[tuple[str, str]]:
    """Return method and path of each JSON route that needs the revoked permission or key."""
    found = []
    parts = (ROOT / 'docs' / 'features').glob('*.openapi.json')
    document = join_documents(json.loads(part.read_text()) for part in parts)
    for path, operations in document['paths'].items():
        for method, operation in operations.items():
            content = operation.get('requestBody', {}).get('content', {})
            if 'application/json' not in content or not operation.get('security'):
                continue
            is_possible = {
                'demoted': 'x-permission' in operation,
                'key revoked': 'x-scope' in operation,
            }.get(revoked, True)
            if is_possible:
                found.append((method.upper(), path.format(**ARGUMENTS)))
    return found


def hold(client: Client, method: str, path: str, token: str) -> bytes:
    """Send a request without the end of its body; return the missing bytes.

    One body per credential is sent in chunks: a thread of the application waits for its end. For
    the others, the worker waits without a thread.
    """
    body = json.dumps(BODIES.get(f'{method} {path}', {})).encode()
    is_chunked = (method, path) == ('POST', '/api/v1/users')
    framing = 'Transfer-Encoding: chunked' if is_chunked else f'Content-Length: {len(body)}'
    head = (
        f'{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n'
        f'Content-Type: application/json\r\n{framing}\r\n\r\n'
    )
    first, last = body[:-1], body[-1:]
    if is_chunked:
        first, last = b'%x\r\n%b\r\n' % (len(first), first), b'1\r\n%b\r\n0\r\n\r\n' % last
    client.send(head.encode() + first)
    return last


def test_permissions_revoked_before_the_last_byte_are_not_used(service: Service) -> None:
    root_id, root = create_admin(service, 'grace')
    assert root_id == 1
    admins = {revoked: create_admin(service, revoked.replace(' ', '-')) for revoked in REVOKED}
    key = call(
        service, 'POST', '/auth/keys', admins['key revoked'][1],
        name='key', scopes=['users:write', 'users:invite', 'roles:write', 'profile:write',
                            'files:read', 'files:write'],
    )  # fmt: skip
    tokens = {revoked: token for revoked, (_, token) in admins.items()} | {
        'key revoked': key['key']
    }
    ids = {revoked: user_id for revoked, (user_id, _) in admins.items()}
    before = call(service, 'GET', '/users', root)

    with ExitStack() as stack:
        held = []
        for revoked in REVOKED:
            for method, path in calls(revoked):
                client = stack.enter_context(Client(int(urlsplit(service.url).port or 0)))
                held.append(
                    (revoked, method, path, client, hold(client, method, path, tokens[revoked]))
                )
        revoke_all(service, root, ids, admins['key revoked'][1], key['id'])
        found = []
        for revoked, method, path, client, last in held:
            client.send(last)
            found.append((revoked, method, path, client.answer().status))

    # 404 is also right: without the permission, the service does not reveal other users.
    assert [each for each in found if each[-1] not in (401, 403, 404)] == []
    assert len(found) > 60
    after = call(service, 'GET', '/users', root)
    names = [user['username'] for user in before['items'] if user['username'] != 'deleted']
    assert [user['username'] for user in after['items']] == names
    assert [role['name'] for role in call(service, 'GET', '/users/roles', root)['items']] == [
        'admin',
        'member',
    ]
    assert call(service, 'GET', '/users/me', root)['name'] == ''


def pins(service: Service) -> list[str]:
    return re.findall(r'\b\d{6}\b', '\n'.join(service.mails()))


def revoke_all(service: Service, root: str, ids: dict[str, int], owner: str, key: str) -> None:
    """Revoke a credential of each admin; the username of the admin names the way."""
    service.flask('users', 'disable', 'disabled')
    call(service, 'DELETE', f'/users/{ids["deleted"]}', root)
    call(service, 'PUT', f'/users/{ids["demoted"]}/roles', root, roles=['member'])
    service.flask('auth', 'revoke', 'session-ended')
    call(service, 'DELETE', f'/auth/keys/{key}', owner)
    call(service, 'POST', '/auth/password-resets', email='password-reset@example.com')
    wait_for(lambda: pins(service))
    [pin] = pins(service)
    call(
        service, 'PUT', '/auth/password-resets',
        email='password-reset@example.com', pin=pin, new_password=PASSWORD,
    )  # fmt: skip
