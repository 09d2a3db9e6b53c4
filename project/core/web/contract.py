"""What a route declares, and the walk over all routes that refuses to start without it."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flask import Flask
from marshmallow import Schema
from werkzeug.routing import Rule

from project.core.errors import (
    Fail,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    PreconditionFailed,
    TooLarge,
    TooMany,
    Unauthorized,
    UnsupportedType,
)

from .access import Access, NotFresh, NotYours, ScopeMissing
from .headers import API, Policy
from .pagination import ListQuery

# What is read, or made, has no version yet that somebody could have meant.
UNCONDITIONAL = ('GET', 'HEAD', 'POST')

# A rule's endpoint and a method: (`api_v1.users.user`, `PATCH`).
Route: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Header:
    """A header that a route reads, or answers with: what it says, and its JSON Schema."""

    says: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {'type': 'string'})
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Contract:
    """One route's declaration. Guard, limits, matrix and OpenAPI read this record and no other.

    :param allow: who may call.
    :param body, form, query: request schemas, handed to the handler as arguments of these names; a
        query that is a `ListQuery` is handed over as `page`.
    :param returns: the response schema; `many` for a list of things, or a page of them.
    :param code: the status of success.
    :param refuses: the refusals that are its own; those of guard and schemas need no mention.
    :param limit: calls per time, as `limits` writes it: `5/minute`.
    :param versioned: whether `ETag`, `If-None-Match` and `If-Match` apply.
    :param policy: the security headers; looser than the API's only where a route says so.
    :param produces, consumes: the media type where it is not JSON; `produces=''` of headers alone.
    :param largest: the configuration key of the largest body, where it is not everybody's 1 MiB.
    :param later: whether it may answer 202 with `Retry-After`: what is asked for is being made.
    :param arguments: what is true of parts of the URL beyond their converter, as JSON Schema.
    :param location: the endpoint that shows what was created, and the name of its id.
    :param asks, tells: headers that it reads, and those of its success, by their names; those that
        follow from the rest (`ETag`, `Range`, `Location`) need no mention.
    """

    allow: Access
    body: type[Schema] | None = None
    form: type[Schema] | None = None
    query: type[Schema] | None = None
    returns: type[Schema] | None = None
    many: bool = False
    code: int = 200
    refuses: Sequence[type[Fail]] = ()
    limit: str | None = None
    versioned: bool = False
    policy: Policy = API
    produces: str | None = None
    consumes: str | None = None
    largest: str | None = None
    later: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    location: tuple[str, str] | None = None
    asks: Mapping[str, Header] = field(default_factory=dict)
    tells: Mapping[str, Header] = field(default_factory=dict)

    @property
    def is_list(self) -> bool:
        """Whether it answers in pages."""
        return self.query is not None and issubclass(self.query, ListQuery)

    @property
    def keywords(self) -> set[str]:
        """Return the arguments that the handler is given beside those of the URL."""
        query = 'page' if self.is_list else 'query'
        declared = {'body': self.body, 'form': self.form, query: self.query}
        return {name for name, schema in declared.items() if schema}


class UndeclaredRoute(Exception):
    """Routes that say nothing about who may call them, or whose handlers do not fit: no start."""


def contract_of(app: Flask, endpoint: str, method: str) -> Contract | None:
    """Return what a route declares for a method, or None if it says nothing."""
    handler = handler_of(app.view_functions[endpoint], method)
    contract: Contract | None = getattr(handler, 'contract', None)
    return contract


def handler_of(view: Any, method: str) -> Any:
    """Return the function behind a view and a method; HEAD falls back to GET as Flask does."""
    view_class = getattr(view, 'view_class', None)
    if view_class is None:
        return view
    name = method.lower()
    return getattr(view_class, name, None) or (
        getattr(view_class, 'get', None) if name == 'head' else None
    )


def contracts(app: Flask) -> dict[Route, Contract]:
    """Return every route's contract; refuses with UndeclaredRoute, naming the routes without."""
    found, faults = {}, []
    for rule in app.url_map.iter_rules():
        for method in sorted(declared_methods(rule)):
            contract = contract_of(app, rule.endpoint, method)
            if contract is None:
                faults.append(f'{method} {rule.rule} declares nothing: put @endpoint under it')
            else:
                found[rule.endpoint, method] = contract
                faults += _misfits(app, rule, method, contract)
    if faults:
        raise UndeclaredRoute('; '.join(faults))
    return found


def declared_methods(rule: Rule) -> set[str]:
    """Return the methods of a rule, without the OPTIONS that Flask answers by itself."""
    methods = set(rule.methods or ())
    return methods - {'OPTIONS'} if getattr(rule, 'provide_automatic_options', False) else methods


def _misfits(app: Flask, rule: Rule, method: str, contract: Contract) -> list[str]:
    handler = inspect.unwrap(handler_of(app.view_functions[rule.endpoint], method))
    arguments = dict.fromkeys(rule.arguments | contract.keywords)
    if hasattr(app.view_functions[rule.endpoint], 'view_class'):
        arguments |= {'self': None}
    try:
        inspect.signature(handler).bind(**arguments)
    except TypeError as error:
        return [f'{method} {rule.rule} does not fit its declaration: {error}']
    return []


def implied(rule: Rule, method: str, contract: Contract) -> Iterable[type[Fail]]:
    """Return the refusals that follow from a declaration, and need no mention in it."""
    yield Malformed
    yield TooLarge
    if contract.allow.kind != 'public':
        yield Unauthorized
        yield ScopeMissing
    if contract.allow.permission:
        yield NotYours if contract.allow.own else Forbidden
    if contract.allow.fresh:
        yield NotFresh
    if rule.arguments:
        yield NotFound
    if contract.body or contract.form:
        yield UnsupportedType
    if contract.body or contract.form or contract.query:
        yield Invalid
    if contract.versioned and method not in UNCONDITIONAL:
        yield PreconditionFailed
    if contract.limit:
        yield TooMany
