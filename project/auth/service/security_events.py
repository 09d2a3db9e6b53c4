"""Security events: recording and lists.

An event is stored in the transaction of the action that it records. The event of a failed attempt
has its own transaction, so that it is not rolled back with the attempt.
"""

import json
from collections.abc import Iterator
from typing import Any

from project.auth.models import EVENTS, EVENTS_OF_USER, Event
from project.auth.rows import EventRow
from project.core.database.keyset_pagination import Page, PageRequest, iterate_pages
from project.core.database.session import db
from project.core.metrics import Counter
from project.core.request_context import current_request_context
from project.core.security.principal import Principal

EVENTS_RECORDED = Counter(
    'auth_security_events_total',
    'Security events, such as logins, by kind and outcome.',
    ('event', 'outcome'),
    owner=__name__,
)

SUCCESS, FAILURE = 'success', 'failure'
SELF, OPERATOR, SYSTEM = 'self', 'operator', 'system'


def record_security_event(
    kind: str,
    user_id: int | None,
    *,
    outcome: str = SUCCESS,
    actor: str | None = None,
    **details: Any,
) -> None:
    """Record a security event.

    Call it inside `atomic`, together with the recorded action.

    :param kind: noun and past participle, such as `password_changed`.
    :param user_id: the user whose account the event concerns; None for an unknown account.
    :param actor: `self`, `operator`, `system` or `user:<id>`. Default: `self` in a request, else
        `operator`.
    :param details: further values, stored as JSON. Do not pass secrets, or text that a user typed.
    """
    EVENTS_RECORDED.increment(kind, outcome)
    context = current_request_context()
    event = Event(
        user_id=user_id,
        event_type=kind,
        outcome=outcome,
        actor=actor or (SELF if context.ip_address else OPERATOR),
        ip_address=context.ip_address,
        user_agent=context.user_agent[:255],
        request_id=context.request_id,
        details=json.dumps(details),
    )
    db.session.add(event)


def actor_of(by: int | None, user_id: int | None = None) -> str:
    """Return the actor for an event that a receiver of a signal records.

    :param by: the id of the user who acted; None for an operator.
    :param user_id: the user whom the event concerns. If this user acted, the actor is `self`.
    """
    if by is None:
        return OPERATOR
    return SELF if by == user_id else f'user:{by}'


def list_events(asker: Principal, page: PageRequest) -> Page[EventRow]:
    """Return a page of the caller's security events, newest first."""
    return EVENTS.page(EVENTS_OF_USER, page, user_id=asker.user_id)


def list_all_events(user_id: int | None = None, kind: str | None = None) -> Iterator[EventRow]:
    """Yield security events, newest first, optionally only those of a user or a kind."""
    wanted = {'user_id': user_id, 'kind': kind}
    known = {name: value for name, value in wanted.items() if value is not None}
    return iterate_pages(lambda page: EVENTS.page(Event.filtered(frozenset(known)), page, **known))
