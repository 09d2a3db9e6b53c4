"""HTTP: each route that changes credentials, permissions or an identity records an event."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import pyotp
import pytest
from sqlalchemy import select

from project.auth.models import Event
from project.auth.service import log_in
from project.core.clock import now
from project.core.database.session import db
from project.core.web.endpoints.endpoint_spec import declared_methods
from tests.auth.factories import PASSWORD, account
from tests.feature_modules import feature_modules
from tests.kit.responses import data
from tests.removed_features import removed_features

ROOT = Path(__file__).parents[2]
API = '/api/v1'
NEW = 'Difference engine, 1822'
ADA, EVE = 'ada@example.com', 'eve@example.com'

# Writing routes that record no event: they change neither permissions nor identity.
EXEMPT = {
    ('POST', '/auth/sessions/refresh'),  # Only the reuse of an old token is recorded.
    ('PATCH', '/users/me'), ('PUT', '/users/me/avatar'), ('DELETE', '/users/me/avatar'),
}  # fmt: skip


@pytest.fixture
def world(app, bearer, mailbox):
    """Return a namespace: clients of Ada, an admin and a stranger, ids, and the mailbox."""
    world = SimpleNamespace(anonymous=app.test_client(), mailbox=mailbox)
    for name, roles in (('ada', ['member']), ('admin', ['member', 'admin'])):
        user = account(username=name, email=f'{name}@example.com', roles=roles)
        setattr(world, name, bearer(log_in(user_or_email=name, password=PASSWORD).token))
        setattr(world, f'{name}_id', user.id)
    return world


def pin_to(world, email):
    """Return the PIN or code in the newest mail to this email address."""
    return world.mailbox.latest(to=email).code


def send(client, method, path, **body):
    """Send a request with a JSON body."""
    return client.open(API + path, method=method, json=body or None)


def register(world):
    """Register the new user Eve."""
    return send(
        world.anonymous, 'POST', '/auth/accounts', username='eve', email=EVE, password=PASSWORD
    )


def verify(world, pin=None):
    """Register Eve and confirm her registration."""
    register(world)
    body = {'email': EVE, 'pin': pin or pin_to(world, EVE), 'password': PASSWORD}
    return send(world.anonymous, 'PUT', '/auth/verifications', **body)


def resend(world):
    """Register Eve and request a second mail with a PIN."""
    register(world)
    return send(world.anonymous, 'POST', '/auth/verifications', email=EVE)


def enter(world, password=PASSWORD, **factor):
    """Log Ada in, possibly with a wrong password."""
    body = {'user_or_email': 'ada', 'password': password, **factor}
    return send(world.anonymous, 'POST', '/auth/sessions', **body)


def reauthenticate(world, password=PASSWORD):
    """Enter Ada's password again in her session."""
    return send(world.ada, 'POST', '/auth/sessions/current/reauthentication', password=password)


def change_password(world, password=PASSWORD):
    """Change Ada's password."""
    body = {'current_password': password, 'new_password': NEW}
    return send(world.ada, 'PUT', '/auth/password', **body)


def reset(world, pin=None):
    """Request and complete a reset of Ada's password."""
    send(world.anonymous, 'POST', '/auth/password-resets', email=ADA)
    body = {'email': ADA, 'pin': pin or pin_to(world, ADA), 'new_password': NEW}
    return send(world.anonymous, 'PUT', '/auth/password-resets', **body)


def change_email(world, pin=None):
    """Request and confirm a change of Ada's email address."""
    send(world.ada, 'POST', '/auth/email-changes', new_email=EVE)
    return send(world.ada, 'PUT', '/auth/email-changes', pin=pin or pin_to(world, EVE))


def invite(world):
    """Invite Eve as an admin."""
    return send(world.admin, 'POST', '/auth/invitations', email=EVE)


def accept(world, code=None):
    """Invite Eve and accept the invitation."""
    invite(world)
    body = {'code': code or pin_to(world, EVE), 'password': PASSWORD, 'username': 'eve'}
    return send(world.anonymous, 'PUT', '/auth/invitations', email=EVE, **body)


def enrol(world, otp=None):
    """Enable Ada's second factor."""
    secret = data(send(world.ada, 'POST', '/auth/totp'))['secret']
    return send(world.ada, 'PUT', '/auth/totp', otp=otp or pyotp.TOTP(secret).at(now()))


def after_enrolment(method, path):
    """Return a function that enables Ada's second factor and then sends this request."""
    return lambda world: (enrol(world), send(world.ada, method, path))[1]


def create_key(world):
    """Create an API key for Ada."""
    return send(world.ada, 'POST', '/auth/keys', name='ci', scopes=['profile:read'])


def delete_key(world):
    """Create an API key for Ada and delete it."""
    key = data(create_key(world))['id']
    return send(world.ada, 'DELETE', f'/auth/keys/{key}')


def end_session(world):
    """Log Ada in a second time and end this session."""
    session = data(enter(world))['session']['id']
    return send(world.ada, 'DELETE', f'/auth/sessions/{session}')


def replace(world, **changes):
    """Replace all fields of the user Ada (PUT), as an admin."""
    body = {'username': 'ada', 'email': ADA, 'name': '', 'bio': '', **changes}
    return send(world.admin, 'PUT', f'/users/{world.ada_id}', **body)


# Method and path of the route, the event, its outcome, and the function that causes the event.
# Other features have their rows in `tests/<feature>/security_events.py`.
CASES = [
    ('POST /auth/accounts', 'registered', 'success', register),
    ('POST /auth/verifications', 'verification_requested', 'success', resend),
    ('PUT /auth/verifications', 'verified', 'success', verify),
    ('PUT /auth/verifications', 'pin', 'failure', lambda w: verify(w, 'AAAA' * 4)),
    ('POST /auth/sessions', 'login', 'success', enter),
    ('POST /auth/sessions', 'login', 'failure', lambda w: enter(w, 'wrong')),
    ('POST /auth/sessions', 'second_factor', 'failure',
        lambda w: (enrol(w), enter(w, otp='000000'))[1]),
    ('POST /auth/sessions/current/reauthentication', 'reauthentication', 'success', reauthenticate),
    ('POST /auth/sessions/current/reauthentication', 'reauthentication', 'failure',
        lambda w: reauthenticate(w, 'wrong')),
    ('DELETE /auth/sessions', 'sessions_ended', 'success',
        lambda w: send(w.ada, 'DELETE', '/auth/sessions')),
    ('DELETE /auth/sessions/current', 'session_ended', 'success',
        lambda w: send(w.ada, 'DELETE', '/auth/sessions/current')),
    ('DELETE /auth/sessions/<uuid:session_id>', 'session_ended', 'success', end_session),
    ('PUT /auth/password', 'password_changed', 'success', change_password),
    ('PUT /auth/password', 'password_changed', 'failure', lambda w: change_password(w, 'wrong')),
    ('POST /auth/password-resets', 'password_reset_requested', 'success', reset),
    ('PUT /auth/password-resets', 'password_reset', 'success', reset),
    ('PUT /auth/password-resets', 'pin', 'failure', lambda w: reset(w, 'AAAA' * 4)),
    ('POST /auth/email-changes', 'email_change_requested', 'success', change_email),
    ('PUT /auth/email-changes', 'email_changed', 'success', change_email),
    ('PUT /auth/email-changes', 'pin', 'failure', lambda w: change_email(w, 'AAAA' * 4)),
    ('POST /auth/invitations', 'invited', 'success', invite),
    ('PUT /auth/invitations', 'invitation_accepted', 'success', accept),
    ('PUT /auth/invitations', 'invitation', 'failure', lambda w: accept(w, 'AAAA' * 4)),
    ('POST /auth/totp', 'totp_enrolment_started', 'success', enrol),
    ('PUT /auth/totp', 'totp_enabled', 'success', enrol),
    ('PUT /auth/totp', 'second_factor', 'failure', lambda w: enrol(w, '000000')),
    ('DELETE /auth/totp', 'totp_disabled', 'success', after_enrolment('DELETE', '/auth/totp')),
    ('POST /auth/recovery-codes', 'recovery_codes_created', 'success',
        after_enrolment('POST', '/auth/recovery-codes')),
    ('POST /auth/keys', 'key_created', 'success', create_key),
    ('DELETE /auth/keys/<uuid:key_id>', 'key_deleted', 'success', delete_key),
    ('POST /users', 'user_created', 'success',
        lambda w: send(w.admin, 'POST', '/users', username='eve', email=EVE)),
    ('PUT /users/<int:user_id>', 'username_changed', 'success',
        lambda w: replace(w, username='eve')),
    ('PATCH /users/<int:user_id>', 'email_changed', 'success',
        lambda w: send(w.admin, 'PATCH', f'/users/{w.ada_id}', email=EVE)),
    ('DELETE /users/<int:user_id>', 'user_deleted', 'success',
        lambda w: send(w.admin, 'DELETE', f'/users/{w.ada_id}')),
    ('DELETE /users/me', 'user_deleted', 'success', lambda w: send(w.ada, 'DELETE', '/users/me')),
    ('PUT /users/<int:user_id>/roles', 'user_roles_changed', 'success',
        lambda w: send(w.admin, 'PUT', f'/users/{w.ada_id}/roles', roles=['member', 'admin'])),
    ('PUT /users/roles/<string:name>', 'role_changed', 'success',
        lambda w: send(w.admin, 'PUT', '/users/roles/helper', permissions=['profile:read'])),
    ('DELETE /users/roles/<string:name>', 'role_changed', 'success',
        lambda w: (send(w.admin, 'PUT', '/users/roles/helper', permissions=['profile:read']),
                   send(w.admin, 'DELETE', '/users/roles/helper'))[1]),
    ('POST /users/me/exports', 'export_requested', 'success',
        lambda w: send(w.ada, 'POST', '/users/me/exports')),
    *(case for module in feature_modules('security_events') for case in module.CASES),
]  # fmt: skip


def test_cases_contain_all_writing_routes(app):
    writing = {
        (method, rule.rule.removeprefix(API))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith((f'{API}/auth/', f'{API}/users')) or '/links' in rule.rule
        for method in declared_methods(rule) - {'GET', 'HEAD', 'OPTIONS'}
    }

    assert writing == {tuple(route.split(' ')) for route, *_ in CASES} | EXEMPT


@pytest.mark.parametrize(
    ('route', 'kind', 'outcome', 'act'), CASES, ids=[f'{c[0]} {c[1]} {c[2]}' for c in CASES]
)
def test_records_its_event(world, route, kind, outcome, act):
    """ASVS 16.3.1 requires a log of all authentications."""
    response = act(world)
    world.mailbox()  # Some events are recorded by the task that sends a mail.

    assert (response.status_code < 300) is (outcome == 'success')
    found = db.session.execute(select(Event.event_type, Event.outcome)).all()
    assert found.count((kind, outcome)) >= (2 if act is enter else 1), found


class TestDocumentedEvents:
    # The functions that record an event, and the position of its kind in their arguments.
    RECORDERS = {'record_security_event': 0, 'end_sessions_after': 0, 'record_and_notify': 1}

    def test_are_all_recorded_kinds(self):
        page = (ROOT / 'docs' / 'features' / 'auth.md').read_text(encoding='utf-8')
        section = page.partition('\n## Security events\n')[2].partition('\n## ')[0]
        rows = re.findall(r'^\| (`.*?) \|', section.partition('|---|')[2], re.MULTILINE)
        named = {kind for row in rows for kind in re.findall('`(.+?)`', row)}

        recorded = set()
        for path in (ROOT / 'project').rglob('*.py'):
            for call in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
                name = getattr(getattr(call, 'func', None), 'id', None)
                if isinstance(call, ast.Call) and name in self.RECORDERS:
                    kind = call.args[self.RECORDERS[name]]
                    recorded |= {kind.value} if isinstance(kind, ast.Constant) else set()

        assert recorded <= named
        # The page still names the kinds of removed features.
        assert named == recorded or removed_features()
