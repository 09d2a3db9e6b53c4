"""`@endpoint`: one declaration a route. What is declared is what is used.

It loads the body and the query, calls the handler, dumps what it returns with the declared schema
and answers in JSend. Handlers are left with three beats: read, call, answer.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from flask import Response, url_for
from marshmallow import Schema

from project.core.data.keyset import Page
from project.core.errors import Fail

from .access import Access
from .conditional import add_etag
from .contract import Contract
from .dumping import compile_dump
from .headers import API, Policy
from .jsend import api_success
from .pagination import ListQuery, link_to_next, page_request
from .requests import is_form, load_form, load_json, load_query

Handler = Callable[..., Any]


def endpoint(
    *,
    allow: Access,
    body: type[Schema] | None = None,
    form: type[Schema] | None = None,
    query: type[Schema] | None = None,
    returns: type[Schema] | None = None,
    many: bool = False,
    code: int = 200,
    refuses: Iterable[type[Fail]] = (),
    limit: str | None = None,
    versioned: bool = False,
    policy: Policy = API,
    produces: str | None = None,
    consumes: str | None = None,
    largest: str | None = None,
    location: tuple[str, str] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Callable[[Handler], Handler]:
    """Declare a route: who may call it, what comes in, what goes out, how it refuses.

    :param body, form, query: request schemas, handed to the handler as arguments of these names; a
        query that is a `ListQuery` is handed over as `page`.
    :param returns: the response schema; `many` for a list of things, or a page of them.
    :param refuses: the refusals that are its own; those of guard and schemas need no mention.
    :param limit: calls per time, as `limits` writes it: `5/minute`.
    :param versioned: whether `ETag`, `If-None-Match` and `If-Match` apply.
    :param policy: the security headers; looser than the API's only where a route says so.
    :param produces, consumes: the media type where it is not JSON.
    :param largest: the configuration key of the largest body, where it is not everybody's 1 MiB.
    :param arguments: what is true of parts of the URL beyond their converter, as JSON Schema.
    :param location: the endpoint that shows what was created, and the name of its id.
    """
    readers = _readers(body, form, query, optional_form=consumes is not None)
    contract = Contract(
        allow, body, form, query, returns, many, code, tuple(refuses), limit, versioned, policy,
        produces, consumes, largest, arguments or {},
        frozenset(readers),
    )  # fmt: skip
    dump = compile_dump(returns()) if returns else None

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def answer(*args: Any, **kwargs: Any) -> Response:
            for name, read in readers.items():
                kwargs[name] = read()
            result = handler(*args, **kwargs)
            if isinstance(result, Response):
                return result
            if isinstance(result, Page):
                return _page(result, dump)
            if many and dump:
                return api_success([dump(item) for item in result], code)
            response = api_success(dump(result) if dump else None, code)
            if location:
                response.location = url_for(location[0], **{location[1]: result.id})
            return add_etag(response, result) if versioned and dump else response

        answer.contract = contract  # type: ignore[attr-defined]
        return answer

    return decorate


def _readers(
    body: type[Schema] | None,
    form: type[Schema] | None,
    query: type[Schema] | None,
    *,
    optional_form: bool,
) -> dict[str, Callable[[], Any]]:
    """Return how each argument is read; schemas are made once, not on every call."""
    readers: dict[str, Callable[[], Any]] = {}
    if query and issubclass(query, ListQuery):
        listed = query()
        readers['page'] = lambda: page_request(load_query(listed))
    elif query:
        asked = query()
        readers['query'] = lambda: load_query(asked)
    if body:
        sent = body()
        readers['body'] = lambda: load_json(sent)
    if form:
        filled = form()
        # Where a route takes other bodies as they are, they are no form.
        readers['form'] = lambda: load_form(filled) if is_form() or not optional_form else None
    return readers


def _page(page: Page, dump: Callable[[Any], Any] | None) -> Response:
    items = [dump(item) for item in page.items] if dump else []
    response = api_success({'items': items, 'next': page.next})
    if page.next:
        response.headers['Link'] = link_to_next(page.next)
    return response
