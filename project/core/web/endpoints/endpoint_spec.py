"""What a route declares, and the walk over all routes that refuses to start without it."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flask import Flask
from marshmallow import Schema
from werkzeug.routing import Rule

from project.core.errors import (
    ApiError,
    BadRequest,
    ContentTooLarge,
    Forbidden,
    NotFound,
    PreconditionFailed,
    ReauthenticationRequired,
    RequestTimeout,
    TooManyRequests,
    Unauthorized,
    UnprocessableContent,
    UnsupportedMediaType,
)
from project.core.web.requests.pagination import ListQuery
from project.core.web.responses.headers import API, Header, HeaderSet

from .access import Access, NotOwner, ScopeMissing

# What is read, or made, has no version yet that somebody could have meant.
METHODS_WITHOUT_IF_MATCH = ('GET', 'HEAD', 'POST')
SAFE_METHODS = ('GET', 'HEAD')

# A rule's endpoint and a method: (`api_v1.users.user`, `PATCH`).
Route: TypeAlias = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class EndpointSpec:
    """One route's declaration. Guard, limits, matrix and OpenAPI read this record and no other.

    :param allow: who may call.
    :param body, form, query: request schemas, handed to the handler as arguments of these names; a
        query that is a `ListQuery` is handed over as `page`.
    :param returns: the response schema; `many` for a list of things, or a page of them.
    :param code: the status of success.
    :param refuses: the refusals that are its own; those of guard and schemas need no mention.
    :param limit: calls per time, as `limits` writes it: `5/minute`.
    :param hashes_password: whether it hashes or verifies a password, which takes a core for 50 ms:
        the server runs few such requests at once. A string names the request header without which
        it hashes none.
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
    errors: Sequence[type[ApiError]] = ()
    limit: str | None = None
    hashes_password: bool | str = False
    versioned: bool = False
    security_headers: HeaderSet = API
    produces: str | None = None
    consumes: str | None = None
    max_body_setting: str | None = None
    may_return_202: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    location: tuple[str, str] | None = None
    extra_request_headers: Mapping[str, Header] = field(default_factory=dict)
    extra_response_headers: Mapping[str, Header] = field(default_factory=dict)

    @property
    def is_list(self) -> bool:
        """Whether it answers in pages."""
        return self.query is not None and issubclass(self.query, ListQuery)

    @property
    def _may_stream(self) -> bool:
        """Whether a user may have too many bodies of it in flight."""
        has_body = bool(self.body or self.form or self.consumes)
        return has_body and self.allow.kind != 'public'

    @property
    def _may_be_large(self) -> bool:
        """Whether a client may have too many of its responses in flight: files, not JSON."""
        return bool(self.produces)

    @property
    def keywords(self) -> set[str]:
        """Return the arguments that the handler is given beside those of the URL."""
        query = 'page' if self.is_list else 'query'
        declared = {'body': self.body, 'form': self.form, query: self.query}
        return {name for name, schema in declared.items() if schema}

    def implied_errors(self, rule: Rule, method: str) -> Iterable[type[ApiError]]:
        """Yield the errors that follow from the declaration and are not listed in it."""
        yield BadRequest
        yield ContentTooLarge
        if self.allow.kind != 'public':
            yield Unauthorized
            yield ScopeMissing
            if self.allow.permission or method not in SAFE_METHODS:
                # Writing routes also raise it if the caller loses a permission meanwhile.
                yield Forbidden
        if self.allow.own:
            yield NotOwner
        if self.allow.fresh:
            yield ReauthenticationRequired
        if rule.arguments:
            yield NotFound
        if self.body or self.form or self.consumes:
            yield RequestTimeout
        if self.body or self.form:
            yield UnsupportedMediaType
        if self.body or self.form or self.query:
            yield UnprocessableContent
        if self.versioned and method not in METHODS_WITHOUT_IF_MATCH:
            yield PreconditionFailed
        if self.limit or self._may_stream or self._may_be_large:
            yield TooManyRequests


class UndeclaredRoute(Exception):
    """Routes that say nothing about who may call them, or whose handlers do not fit: no start."""


def spec_of(app: Flask, endpoint: str, method: str) -> EndpointSpec | None:
    """Return what a route declares for a method, or None if it says nothing."""
    handler = handler_of(app.view_functions[endpoint], method)
    spec: EndpointSpec | None = getattr(handler, 'endpoint_spec', None)
    return spec


def handler_of(view: Any, method: str) -> Any:
    """Return the function behind a view and a method; HEAD falls back to GET as Flask does."""
    view_class = getattr(view, 'view_class', None)
    if view_class is None:
        return view
    name = method.lower()
    return getattr(view_class, name, None) or (
        getattr(view_class, 'get', None) if name == 'head' else None
    )


def collect_endpoint_specs(app: Flask) -> dict[Route, EndpointSpec]:
    """Return every route's spec; refuses with UndeclaredRoute, naming the routes without."""
    found, faults = {}, []
    for rule in app.url_map.iter_rules():
        for method in sorted(declared_methods(rule)):
            spec = spec_of(app, rule.endpoint, method)
            if spec is None:
                faults.append(f'{method} {rule.rule} declares nothing: put @endpoint under it')
            else:
                found[rule.endpoint, method] = spec
                faults += _misfits(app, rule, method, spec)
    if faults:
        raise UndeclaredRoute('; '.join(faults))
    return found


def declared_methods(rule: Rule) -> set[str]:
    """Return the methods of a rule, without the OPTIONS that Flask answers by itself."""
    methods = set(rule.methods or ())
    return methods - {'OPTIONS'} if getattr(rule, 'provide_automatic_options', False) else methods


def _misfits(app: Flask, rule: Rule, method: str, spec: EndpointSpec) -> list[str]:
    handler = inspect.unwrap(handler_of(app.view_functions[rule.endpoint], method))
    arguments = dict.fromkeys(rule.arguments | spec.keywords)
    if hasattr(app.view_functions[rule.endpoint], 'view_class'):
        arguments |= {'self': None}
    try:
        inspect.signature(handler).bind(**arguments)
    except TypeError as error:
        return [f'{method} {rule.rule} does not fit its declaration: {error}']
    return []
