"""Rows for the tables of routes: which callers a route accepts, and its rate limit."""

import inspect
from collections.abc import Callable, Iterator

from flask import current_app
from werkzeug.routing import Rule

from project.core.security.permissions import default_permissions
from project.core.web.endpoints.access import Access
from project.core.web.endpoints.endpoint_spec import (
    ENDPOINT_SPECS,
    EndpointSpec,
    declared_methods,
)

from .owners import Owners
from .pages import markdown_table

ROUTE_COLUMNS = ('route', 'anonymous', 'member', 'admin', 'scope of an API key', 'limit')


def matrix(owners: Owners) -> str:
    """Return one table of the routes of all features, sorted by path, in Markdown."""
    return markdown_table(ROUTE_COLUMNS, [row for _, row in route_rows(owners)])


def route_rows(owners: Owners) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield the owner and the table row of each method of each route, sorted by path."""
    specs = ENDPOINT_SPECS.get()
    found = [
        (rule.rule, method, rule)
        for rule in current_app.url_map.iter_rules()
        for method in declared_methods(rule) - {'HEAD'}
    ]
    for _, method, rule in sorted(found, key=lambda each: each[:2]):
        row = _cells(rule.rule, method, specs[rule.endpoint, method])
        yield owners.of_module(module_of(rule)), row


def module_of(rule: Rule) -> str:
    """Return the module that defines the view of a URL rule."""
    view = current_app.view_functions[rule.endpoint]
    module: str = getattr(view, 'view_class', inspect.unwrap(view)).__module__
    return module


def _cells(rule: str, method: str, spec: EndpointSpec) -> tuple[str, ...]:
    allow = spec.allow
    held: Callable[[str], bool] = default_permissions().__contains__
    shown = rule.replace('<', '‹').replace('>', '›')
    until = f' (deprecated, sunset {spec.deprecated.sunset})' if spec.deprecated else ''
    return (
        f'`{method} {shown}`{until}',
        authorization_result(allow, logged_in=False, holds=held),
        authorization_result(allow, logged_in=True, holds=held),
        authorization_result(allow, logged_in=True, holds=lambda _: True),
        'public' if allow.kind == 'public' else f'`{allow.scope}`' if allow.scope else '—',
        limit_text(spec.limit),
    )


def limit_text(limit: str | None) -> str:
    """Return a rate limit in words: `20 in 15 minutes`."""
    if limit is None:
        return '—'
    count, _, period = limit.partition('/')
    if period[0].isdigit():
        return f'{count} in {period}'
    return f'{count} {"an" if period == "hour" else "a"} {period}'


def authorization_result(allow: Access, *, logged_in: bool, holds: Callable[[str], bool]) -> str:
    """Return how the guard responds to a kind of caller, such as `ok`, `401` or `403`.

    :param allow: the access rule of the route.

    :param holds: a function that returns whether the caller has a permission.
    """
    if allow.kind == 'public':
        return 'ok'
    if not logged_in:
        return '401'
    fresh = ', freshly logged in' if allow.fresh else ''
    if allow.permission is None or holds(allow.permission):
        return f'ok{fresh}'
    return f'404, own: ok{fresh}' if allow.own else '403'
