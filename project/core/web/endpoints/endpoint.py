"""`@endpoint`: the declaration of a route, which is also applied to each request.

For each request, the decorator loads the body and the query with the declared schemas, and calls
the handler. It serializes the returned value with the declared schema, as a JSend response. So a
handler only calls a service and returns its result.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, request
from marshmallow import Schema

from project.core.database.keyset_pagination import Page
from project.core.web.requests.pagination import next_link_header, page_request
from project.core.web.requests.parsing import is_form, load_form, load_json, load_query
from project.core.web.responses.compiled_schemas import Dump, compile_dump
from project.core.web.responses.conditional_requests import SAFE_METHODS
from project.core.web.responses.etags import add_etag, etag_of
from project.core.web.responses.jsend import api_success

from .endpoint_spec import EndpointSpec
from .idempotency import respond_once
from .locations import PutResult, location_of
from .request_types import validate_request_types

Handler = Callable[..., Any]

# The query of routes without parameters.
NO_PARAMETERS = Schema()


class endpoint(EndpointSpec):
    """Decorator that declares an endpoint: `@endpoint(allow=…)`, below the route's decorator."""

    def __call__(self, handler: Handler) -> Handler:
        """Return a function that loads the request, calls the handler and serializes the result."""
        validate_request_types(self, handler)
        readers = _readers(self)
        dump = compile_dump(self.returns()) if self.returns else None

        @wraps(handler)
        def answer(*args: Any, **kwargs: Any) -> Response:
            if not self.query and request.query_string:
                load_query(NO_PARAMETERS)
            for name, read in readers.items():
                kwargs[name] = read()

            def respond() -> Response:
                result = handler(*args, **kwargs)
                return result if isinstance(result, Response) else _answer(self, dump, result)

            return respond_once(respond) if self.idempotent else respond()

        answer.endpoint_spec = self  # type: ignore[attr-defined]
        return answer


def _readers(spec: EndpointSpec) -> dict[str, Callable[[], Any]]:
    """Return the functions that load the arguments of a handler. Schemas are created once."""
    readers: dict[str, Callable[[], Any]] = {}
    if spec.query:
        query = spec.query()
        if spec.is_list:
            readers['page'] = lambda: page_request(load_query(query))
        else:
            readers['query'] = lambda: load_query(query)
    if spec.body:
        body = spec.body()
        readers['body'] = lambda: load_json(body)
    if spec.form:
        form = spec.form()
        # A route may accept a form or a raw body. If the body is raw, the argument `form` is None.
        readers['form'] = lambda: None if spec.consumes and not is_form() else load_form(form)
    return readers


def _answer(spec: EndpointSpec, dump: Dump | None, result: Any) -> Response:
    """Return the response that contains the value returned by a handler."""
    stored = result if isinstance(result, PutResult) else PutResult(result)
    thing, code = stored.thing, 201 if stored.is_new else spec.code
    if dump is None:
        # Without a response schema, the returned value is not sent.
        response = api_success(None, code)
    elif isinstance(thing, Page):
        response = _page(thing, dump)
    else:
        response = api_success([dump(item) for item in thing] if spec.many else dump(thing), code)
    if location := location_of(spec, stored):
        response.location = location
    if spec.versioned and spec.returns:
        return add_etag(response, stored.etag or etag_of(thing, spec.returns))
    return add_etag(response) if request.method in SAFE_METHODS and spec.returns else response


def _page(page: Page[Any], dump: Dump) -> Response:
    response = api_success({'items': [dump(item) for item in page.items], 'next': page.next})
    if page.next:
        response.headers['Link'] = next_link_header(page.next)
    return response
