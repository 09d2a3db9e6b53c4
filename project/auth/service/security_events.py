"""Security events: written with what they tell of, or alone where the story ends in a refusal."""

import json
from collections.abc import Iterator
from typing import Any

from project.auth.models import EVENTS, EVENTS_OF_USER, Event
from project.core.database.keyset_pagination import Page, PageRequest, iterate_pages
from project.core.database.session import AnyRow, db
from project.core.request_context import current_request_context
from project.core.security.principal import Principal

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
    """Write down a security event. Inside `atomic`: it stands if what it tells of does.

    :param kind: what happened, as noun and past participle: `password_changed`.
    :param user_id: whose account it is about; None where nobody has what was tried.
    :param actor: who did it; by default the user, or an operator where no request is at hand.
    :param details: what else there is to say, as JSON. Never a secret, and nobody's typed text.
    """
    origin = current_request_context()
    event = Event(
        user_id=user_id,
        event_type=kind,
        outcome=outcome,
        actor=actor or (SELF if origin.ip_address else OPERATOR),
        ip_address=origin.ip_address,
        user_agent=origin.user_agent[:255],
        request_id=origin.request_id,
        details=json.dumps(details),
    )
    db.session.add(event)


def actor_of(by: int | None, user_id: int | None = None) -> str:
    """Return the actor of an event that a signal reports.

    :param by: the id of the user who acted; None is an operator.
    :param user_id: the user whose own actions are those of `self`.
    """
    if by is None:
        return OPERATOR
    return SELF if by == user_id else f'user:{by}'


def list_events(asker: Principal, page: PageRequest) -> Page:
    """Return a page of what happened to the asker's account, newest first."""
    return EVENTS.page(EVENTS_OF_USER, page, user_id=asker.user_id)


def list_all_events(user_id: int | None = None, kind: str | None = None) -> Iterator[AnyRow]:
    """Yield events, newest first: all of them, those of a user, or those of a kind."""
    wanted = {'user_id': user_id, 'kind': kind}
    known = {name: value for name, value in wanted.items() if value is not None}
    return iterate_pages(lambda page: EVENTS.page(Event.filtered(frozenset(known)), page, **known))
