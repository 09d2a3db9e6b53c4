"""`EndpointSpec`, the record of an endpoint's declaration, and the check that all have one."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from flask import Flask
from marshmallow import Schema
from werkzeug.routing import Rule

from project.core.app_values import AppValue
from project.core.errors import (
    ApiError,
    BadRequest,
    ContentEncodingUnsupported,
    ContentTooLarge,
    Forbidden,
    NotFound,
    PreconditionFailed,
    RangeNotSatisfiable,
    ReauthenticationRequired,
    RequestTimeout,
    TooManyRequests,
    Unauthorized,
    UnprocessableContent,
    UnsupportedMediaType,
)
from project.core.idempotency import IDEMPOTENCY_ERRORS
from project.core.web.requests.pagination import ListQuery
from project.core.web.responses.conditional_requests import SAFE_METHODS
from project.core.web.responses.headers import API, Header, HeaderSet

from .access import Access, NotOwner, ScopeMissing
from .deprecation import Deprecation
from .idempotency import IDEMPOTENCY_RULE, can_be_idempotent

# A Flask endpoint and a method: (`api_v1.users.user`, `PATCH`).
Route: TypeAlias = tuple[str, str]

# The maximum size of a multipart form, not counting the content of its file.
FORM_OVERHEAD_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class EndpointSpec:
    """The declaration of an endpoint, which the guard, rate limits and generated documents use.

    :param allow: the access rule.
    :param body, form, query: request schemas. The handler gets the loaded data in an argument of
        the same name; the data of a `ListQuery` in `page`.
    :param returns: the response schema.
    :param many: whether the handler returns a list of objects for `returns`.
    :param code: the status code of a success.
    :param errors: the errors of the handler. Those of the guard and of schemas are implied.
    :param limit: the rate limit in the notation of the package `limits`: `5/minute`.
    :param hashes_password: whether the handler hashes or verifies a password. This takes a core for
        50 ms, so the server limits the number of such concurrent requests. If it is the name of a
        request header, only requests with this header hash a password.
    :param versioned: whether the `ETag` of the response is the version of the object. On other
        JSON routes, `GET` has a hash as its `ETag`. A write that compares `If-Match` declares the
        error of its service, a subclass of `PreconditionFailed`. If another PUT, PATCH or DELETE
        gets a tag in `If-Match`, the guard returns 412.
    :param security_headers: the security headers; by default those of the API, the strictest.
    :param produces, consumes: the media type of the response and of the request, if it is not JSON;
        `produces=''` for a response without a body.
    :param max_body_setting: the setting with the maximum body size; by default 1 MiB applies.
    :param may_return_202: whether the response may be 202 with `Retry-After`, because the result is
        not ready yet.
    :param arguments: descriptions of URL arguments, and constraints beyond their converters, as
        JSON Schema.
    :param operation_id: the name of the operation in generated clients, if the one that follows
        from the name of the handler is not good: a verb and an object, such as `getFile`.
    :param location: the endpoint at the URL of the created object; the URL argument for its id; the
        path of the id in the returned value, by default `id`.
    :param without_location: why a response 201 has no `Location`.
    :param may_create: whether a PUT may return 201, with the URL of the request as `Location`
        (`PutResult`).
    :param extra_request_headers, extra_response_headers: headers by name. Headers that follow from
        other parameters (`ETag`, `Range`, `Location`) are implied.
    :param idempotent: whether `Idempotency-Key` applies: a repeated POST gets the first response.
        All transactions of the handler become one. So it must not call a non-atomic service.
    :param deprecated: the dates and the successor of a deprecated endpoint, otherwise None.
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
    location: tuple[str, ...] | None = None
    without_location: str | None = None
    may_create: bool = False
    extra_request_headers: Mapping[str, Header] = field(default_factory=dict)
    extra_response_headers: Mapping[str, Header] = field(default_factory=dict)
    idempotent: bool = False
    deprecated: Deprecation | None = None
    operation_id: str | None = None

    @property
    def is_list(self) -> bool:
        """Return whether the response is a page of a list."""
        return self.query is not None and issubclass(self.query, ListQuery)

    @property
    def reads_body(self) -> bool:
        """Return whether the handler reads the request body."""
        return bool(self.body or self.form or self.consumes)

    @property
    def accepted_types(self) -> list[str]:
        """Return the media types of request bodies that the route accepts."""
        declared = {
            'application/json': self.body, 'multipart/form-data': self.form,
            self.consumes: self.consumes,
        }  # fmt: skip
        return [kind for kind, is_accepted in declared.items() if kind and is_accepted]

    @property
    def has_ranges(self) -> bool:
        """Return whether the route sends bytes, or ranges of them."""
        return RangeNotSatisfiable in self.errors

    @property
    def has_etag(self) -> bool:
        """Return whether the response to GET has an `ETag`, so that preconditions apply."""
        return self.has_ranges or bool(self.returns) or 'ETag' in self.extra_response_headers

    @property
    def compares_etag(self) -> bool:
        """Return whether the service compares `If-Match` in a write."""
        # Other preconditions, such as the version of tus, have other keys.
        return any(
            error.http_code == PreconditionFailed.http_code
            and error.field == PreconditionFailed.field
            for error in self.errors
        )

    def rejects_if_match(self, method: str) -> bool:
        """Return whether the route writes, and the URL has no `ETag` that the write compares.

        Then no tag in `If-Match` can be the current one (RFC 9110 §13.1.1). A POST creates another
        object.
        """
        return method in ('PUT', 'PATCH', 'DELETE') and not self.compares_etag

    @property
    def _may_stream(self) -> bool:
        """Return whether users may send bodies. Their concurrent number is limited per user."""
        return self.reads_body and self.allow.kind != 'public'

    @property
    def _may_be_large(self) -> bool:
        """Return whether the limit of large responses per client applies: to files and lists."""
        return bool(self.produces) or self.is_list or self.many

    @property
    def keywords(self) -> set[str]:
        """Return the names of the handler's arguments that do not come from the URL."""
        query = 'page' if self.is_list else 'query'
        declared = {'body': self.body, 'form': self.form, query: self.query}
        return {name for name, schema in declared.items() if schema}

    def implied_errors(self, rule: Rule, method: str) -> Iterable[type[ApiError]]:
        """Yield the errors that follow from the declaration and are not listed in it."""
        # The server reads a body for all routes, even if they ignore it.
        yield from (BadRequest, ContentTooLarge, RequestTimeout)
        if self.allow.kind != 'public':
            yield Unauthorized
            yield ScopeMissing
            if self.allow.permission or method not in SAFE_METHODS:
                # Routes that write raise it if the caller loses a permission during the request.
                yield Forbidden
        if self.allow.own:
            yield NotOwner
        if self.allow.fresh:
            yield ReauthenticationRequired
        if rule.arguments:
            yield NotFound
        if self.body or self.form:
            yield UnsupportedMediaType
        if self.reads_body:
            yield ContentEncodingUnsupported
        # All routes reject undeclared parameters of the query.
        yield UnprocessableContent
        if (self.has_etag and method in SAFE_METHODS) or self.rejects_if_match(method):
            yield PreconditionFailed
        if self.idempotent:
            yield from IDEMPOTENCY_ERRORS
        if self.limit or self._may_stream or self._may_be_large:
            yield TooManyRequests


# The specs of all routes of an application, by endpoint and method.
ENDPOINT_SPECS: AppValue[dict[Route, EndpointSpec]] = AppValue('endpoint_specs')


class UndeclaredRoute(Exception):
    """A route has no `EndpointSpec`, or its handler does not fit it. The service does not start."""


def spec_of(app: Flask, endpoint: str, method: str) -> EndpointSpec | None:
    """Return the `EndpointSpec` of an endpoint and a method, or None if it has none."""
    handler = handler_of(app.view_functions[endpoint], method)
    spec: EndpointSpec | None = getattr(handler, 'endpoint_spec', None)
    return spec


def max_body_bytes(spec: EndpointSpec, config: Mapping[str, Any]) -> int:
    """Return the maximum size of a request body for an endpoint."""
    if spec.max_body_setting is None:
        return int(config['MAX_CONTENT_LENGTH'])
    return int(config[spec.max_body_setting]) + FORM_OVERHEAD_BYTES


def handler_of(view: Any, method: str) -> Callable[..., object] | None:
    """Return the function of a view that handles a method. As in Flask, HEAD uses that of GET."""
    view_class, name = getattr(view, 'view_class', None), method.lower()
    fallback = getattr(view_class, 'get', None) if name == 'head' else None
    in_class: Callable[..., object] | None = getattr(view_class, name, fallback)
    return in_class if view_class else cast(Callable[..., object], view)


def collect_endpoint_specs(app: Flask) -> dict[Route, EndpointSpec]:
    """Return the `EndpointSpec` of each route.

    :raises UndeclaredRoute: if routes have no spec or do not fit it; the message names all of them.
    """
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
    """Return the methods of a URL rule, without OPTIONS if Flask handles it automatically."""
    methods = set(rule.methods or ())
    return methods - {'OPTIONS'} if getattr(rule, 'provide_automatic_options', False) else methods


def _misfits(app: Flask, rule: Rule, method: str, spec: EndpointSpec) -> list[str]:
    function = handler_of(app.view_functions[rule.endpoint], method)
    assert function is not None  # noqa: S101 - its spec was found
    if spec.idempotent and not can_be_idempotent(spec, method):
        return [f'{method} {rule.rule} cannot be idempotent: {IDEMPOTENCY_RULE}']
    handler = inspect.unwrap(function)
    arguments = dict.fromkeys(rule.arguments | spec.keywords)
    if hasattr(app.view_functions[rule.endpoint], 'view_class'):
        arguments |= {'self': None}
    try:
        inspect.signature(handler).bind(**arguments)
    except TypeError as error:
        return [f'{method} {rule.rule} does not fit its declaration: {error}']
    headers = {name.lower() for name in spec.extra_response_headers}
    if spec.code == 201 and not (spec.location or spec.without_location or 'location' in headers):
        return [f'{method} {rule.rule} returns 201: declare location=, or without_location=']
    return []
