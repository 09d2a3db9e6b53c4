"""HTTP: a permission that is revoked while a request body arrives no longer has an effect."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from project.auth.models import ApiKey
from project.auth.service import create_key, end_sessions_of
from project.core.database.session import Base, db, locks_user
from project.core.security.tokens import new_token
from project.users.service import delete_user, disable_user, set_roles
from tests.auth.factories import SessionFactory
from tests.kit.clients import bearer_client
from tests.users.factories import AdminFactory, principal_of

from .test_matrix import path_of

# Tables that are not compared. A failed request adds an event, and a task deletes the reservation
# of its upload.
UNCOUNTED_TABLES = {'core_throttle_counters', 'auth_events', 'files_uploads'}
ROW_COUNTS = select(
    *(
        select(func.count()).select_from(table).scalar_subquery().label(table.name)
        for table in Base.metadata.sorted_tables
        if table.name not in UNCOUNTED_TABLES
    )
)


@locks_user('user_id')
def revoke_keys(user_id: int) -> None:
    db.session.execute(delete(ApiKey).where(ApiKey.user_id == user_id))


def demote(user_id: int) -> None:
    set_roles(user_id, [])


BY_SESSION = {
    'disabled': disable_user,
    'deleted': delete_user,
    'session ended': end_sessions_of,
    'demoted': demote,
}
BY_KEY = {
    'disabled': disable_user,
    'deleted': delete_user,
    'key revoked': revoke_keys,
    'demoted': demote,
}


class HeldBody(io.RawIOBase):
    """A request body that calls a function before its first byte arrives."""

    def __init__(self, body: bytes, event: Callable[[], Any]) -> None:
        self.body = io.BytesIO(body)
        self.event: Callable[[], Any] | None = event

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if event := self.event:
            self.event = None
            event()
        return self.body.readinto(buffer)


def count_rows() -> list[int]:
    """Return the number of rows in each compared table."""
    return list(db.session.execute(ROW_COUNTS).one())


def send(app: Any, method: str, path: str, token: str, body: bytes, mime: str, event: Any) -> Any:
    """Send a request, and call `event` before its body arrives.

    :returns: the status, and whether the number of rows in any table changed after the event.
    """
    rows: list[Any] = []

    def call_event() -> None:
        with app.app_context():
            event()
            rows.extend(count_rows())

    response = bearer_client(app, token).open(
        path, method=method, content_type=mime,
                environ_overrides={
            'wsgi.input': HeldBody(body, call_event), 'CONTENT_LENGTH': str(len(body)),
        },
    )  # fmt: skip
    assert rows, f'{method} {path} was answered before its body was read'
    return response.status_code, rows != count_rows()


def calls(app: Any) -> list[tuple[str, str, Any]]:
    """Return the method, URL rule and endpoint spec of all non-public JSON routes."""
    return [
        (method, rule.rule, spec)
        for rule in app.url_map.iter_rules()
        for (endpoint, method), spec in app.extensions['endpoint_specs'].items()
        if endpoint == rule.endpoint and spec.body and spec.allow.kind != 'public'
    ]


@pytest.mark.parametrize('credential', ['session', 'key'])
def test_json_is_received_before_the_caller_is_identified(app: Any, credential: str) -> None:
    AdminFactory()
    wrong, cells = [], 0
    for method, rule, spec in calls(app):
        for name, revoke in (BY_SESSION if credential == 'session' else BY_KEY).items():
            if name == 'demoted' and not spec.allow.permission:
                continue
            if credential == 'key' and not spec.allow.scope:
                continue
            cells += 1
            db.session.remove()
            savepoint = db.engines[None].begin_nested()
            user = AdminFactory()
            token = token_of(user, credential)
            path = path_of(rule, AdminFactory().id)
            call_event = lambda revoke=revoke, user=user: revoke(user.id)  # noqa: E731
            status, has_effect = send(
                app, method, path, token, b'{}', 'application/json', call_event
            )
            if status not in (401, 403, 404) or has_effect:
                wrong.append((method, rule, name, status, has_effect))
            db.session.remove()
            savepoint.rollback()

    assert wrong == []
    assert cells > 10


def token_of(user: Any, credential: str) -> str:
    """Return the token of a new session, or of a new API key with all scopes."""
    if credential == 'session':
        token = new_token('pst')
        SessionFactory(user=user, token=token)
        return token
    owner = principal_of(user)
    return str(create_key(owner, name='key', scopes=owner.permissions)['key'])
