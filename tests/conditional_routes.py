"""Every route with an ETag, every precondition, and the response that RFC 9110 §13 demands.

The routes come from the URL map. The expectation is a rule over the kinds of header values (`hit`,
`miss`, …), so it shares no code with the service, which parses the values.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from types import ModuleType
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.http import parse_date
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from project.core.errors import PreconditionFailed
from project.core.web.endpoints.endpoint_spec import ENDPOINT_SPECS, EndpointSpec
from tests.feature_modules import feature_modules
from tests.list_routes import ListRoute, make_related, url_of

READS, WRITES = ('GET', 'HEAD'), ('PUT', 'PATCH', 'DELETE', 'POST')
CORE = 'core'
CORE_ARGUMENTS = {'filename': 'docs.css'}

# The kinds of header values by header, in the order of RFC 9110 §13.2.2.
KINDS = {
    'If-Match': ('hit', 'miss', 'any', 'weak', 'list', 'garbage'),
    'If-Unmodified-Since': ('old', 'same', 'new', 'invalid'),
    'If-None-Match': ('hit', 'miss', 'any', 'weak', 'list', 'garbage'),
    'If-Modified-Since': ('old', 'same', 'new', 'invalid'),
    'If-Range': ('hit', 'miss', 'weak', 'date'),
}

# The kinds of header values that a request has, by header. `Range` is always `bytes=0-0`.
Cell = dict[str, str]

#: Each header alone, and pairs of headers of which one decides whether the other one counts.
READ_CELLS: tuple[Cell, ...] = (
    {},
    *({name: kind} for name, kinds in KINDS.items() for kind in kinds),
    {'Range': 'one'},
    *({'Range': 'one', 'If-Range': kind} for kind in KINDS['If-Range']),
    *({'If-Match': kind, 'If-Unmodified-Since': 'old'} for kind in ('hit', 'miss')),
    *({'If-Match': first, 'If-None-Match': 'hit'} for first in ('hit', 'miss')),
    *({'If-Match': kind, 'Range': 'one'} for kind in ('hit', 'miss')),
    *({'If-None-Match': kind, 'If-Modified-Since': 'new'} for kind in ('hit', 'miss')),
    *({'If-None-Match': kind, 'Range': 'one', 'If-Range': 'hit'} for kind in ('hit', 'miss')),
    {'If-Unmodified-Since': 'old', 'If-Modified-Since': 'new', 'Range': 'one'},
)  # fmt: skip

WRITE_CELLS: tuple[Cell, ...] = (
    {},
    *({name: kind} for name in ('If-Match', 'If-None-Match') for kind in KINDS[name]),
    {'If-Match': 'hit', 'If-None-Match': 'hit'},
    {'If-Match': 'hit', 'If-None-Match': 'miss'},
    {'If-Match': 'miss', 'If-Unmodified-Since': 'new'},
)


class ConditionalRoute(NamedTuple):
    """A method of a URL rule whose response depends on preconditions, and its feature."""

    rule: Rule
    method: str
    spec: EndpointSpec
    feature: str

    def __str__(self) -> str:
        return f'{self.method} {self.rule.rule}'


def conditional_routes(app: Flask, methods: tuple[str, ...]) -> Iterator[ConditionalRoute]:
    """Yield the routes whose successful response, or whose object, has an ETag."""
    for rule in app.url_map.iter_rules():
        for method in sorted({*methods} & {*(rule.methods or ())}):
            spec = ENDPOINT_SPECS.of(app).get((rule.endpoint, method))
            if spec and (spec.has_etag if method in READS else compares_etag(spec)):
                parts = rule.endpoint.split('.')
                is_core = len(parts) < 3 or parts[1] == 'docs'
                yield ConditionalRoute(rule, method, spec, CORE if is_core else parts[1])


def unconditional_writes(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Yield the routes that write an object without comparing an ETag, and their methods."""
    for rule in app.url_map.iter_rules():
        for method in sorted({'PUT', 'PATCH', 'DELETE'} & {*(rule.methods or ())}):
            spec = ENDPOINT_SPECS.of(app).get((rule.endpoint, method))
            if spec and not compares_etag(spec):
                yield rule, method


def compares_etag(spec: EndpointSpec) -> bool:
    """Return whether a write declares that it compares `If-Match`."""
    key = PreconditionFailed.field
    return any(error.http_code == 412 and error.field == key for error in spec.errors)


def expected_status(method: str, cell: Cell, *, is_dated: bool, has_ranges: bool) -> int | None:
    """Return the status that RFC 9110 §13.2.2 demands; None for any success of a write.

    :param is_dated: whether the response has `Last-Modified`. Without it, dates are ignored.
    """
    is_read, false_tags = method in READS, ('miss', 'weak', 'garbage')
    if 'If-Match' in cell:
        if cell['If-Match'] in false_tags:
            return 412
    elif is_dated and cell.get('If-Unmodified-Since') == 'old':
        return 412
    if 'If-None-Match' in cell:
        if cell['If-None-Match'] in ('hit', 'any', 'weak', 'list'):
            return 304 if is_read else 412
    elif is_read and is_dated and cell.get('If-Modified-Since') in ('same', 'new'):
        return 304
    if method == 'GET' and has_ranges and 'Range' in cell:
        # A date is a weak validator: published files can change twice in a second.
        return 206 if cell.get('If-Range', 'hit') == 'hit' else 200
    return 200 if is_read else None


def headers_of(cell: Cell, etag: str, last_modified: str | None) -> dict[str, str]:
    """Return the headers of a cell, for an object with this `ETag` and `Last-Modified`."""
    modified = parse_date(last_modified or 'Mon, 23 Nov 2026 08:00:00 GMT')
    assert modified is not None
    dates = {
        kind: format_datetime(modified + timedelta(seconds=seconds), usegmt=True)
        for kind, seconds in (('old', -1), ('same', 0), ('date', 0), ('new', 1))
    }
    values = {
        'hit': etag, 'miss': f'"not-{etag[1:]}', 'any': '*', 'weak': f'W/{etag}',
        'list': f'"a,b", {etag}', 'garbage': etag.strip('"'), 'invalid': 'yesterday',
        'one': 'bytes=0-0', **dates,
    }  # fmt: skip
    return {name: values[kind] for name, kind in cell.items()}


class Samples:
    """URLs of existing objects of one caller, and bodies that the routes accept.

    `tests/<feature>/route_samples.py` has them. Without this module, the factories of the feature
    make the objects.
    """

    def __init__(self, app: Flask, client: Any, caller: Any) -> None:
        self.app, self.client, self.caller = app, client, caller
        self.modules: dict[str, ModuleType] = {
            module.__name__.split('.')[1]: module for module in feature_modules('route_samples')
        }
        self._arguments: dict[str, dict[str, Any]] = {CORE: CORE_ARGUMENTS}

    def url_of(self, route: ConditionalRoute) -> str:
        """Return the URL of a route."""
        module = self.modules.get(route.feature)
        if route.feature != CORE and module is None:
            listed = ListRoute(route.rule, route.feature, is_paged=False)
            return url_of(self.app, listed, make_related(listed, self.caller))
        if route.feature not in self._arguments:
            assert module is not None
            made = module.url_arguments(self.app, self.client, self.caller)
            self._arguments[route.feature] = made
        values = {name: self._arguments[route.feature][name] for name in route.rule.arguments}
        return self.app.url_map.bind('localhost').build(route.rule.endpoint, values)

    def body_of(self, route: ConditionalRoute) -> dict[str, Any]:
        """Return the body of a write, as arguments of the test client."""
        module = self.modules.get(route.feature)
        found: dict[str, Any] = getattr(module, 'BODIES', {})
        name = route.rule.endpoint.rsplit('.', 1)[-1]
        default = {'json': {}} if route.spec.body else {}
        body: dict[str, Any] = found.get(f'{route.method} {name}', default)
        return body


def etag_before_write(app: Flask, client: Any, url: str) -> TestResponse:
    """Return the response to GET with the ETag that a write compares.

    It is that of the same URL. Of a URL for an action, such as `/files/<id>/restore`, it is that of
    the nearest parent with versions.
    """
    urls, path = app.url_map.bind('localhost'), url
    while path.count('/') > 3:
        if urls.test(path, 'GET'):
            rule, _ = urls.match(path, 'GET', return_rule=True)
            spec = ENDPOINT_SPECS.of(app)[rule.endpoint, 'GET']
            if spec.has_etag and (path == url or spec.versioned):
                response: TestResponse = client.get(path, buffered=True)
                return response
        path = path.rpartition('/')[0]
    raise AssertionError(f'no URL above {url} shows an ETag')


def contradictions(
    cells: tuple[Cell, ...],
    send: Callable[[dict[str, str]], TestResponse],
    route: ConditionalRoute,
    shown: TestResponse,
) -> Iterator[str]:
    """Yield the cells whose response is not the demanded one.

    :param send: sends the request with these headers.
    :param shown: the response that contains the ETag.
    """
    dated = shown.headers.get('Last-Modified')
    if route.method == 'HEAD':
        # HEAD ignores `Range`, and takes the same path as GET.
        cells = tuple(cell for cell in cells if len(cell) < 2)
    for cell in cells:
        is_dated = bool(dated) and route.method in READS
        wanted = expected_status(
            route.method, cell, is_dated=is_dated, has_ranges=route.spec.has_ranges
        )
        response = send(headers_of(cell, shown.headers['ETag'], dated))
        got = response.status_code
        is_right = 200 <= got < 300 if wanted is None else got == wanted
        if got == 412 and route.method != 'HEAD':
            is_right = is_right and set(response.json['data']) == {'etag'}  # type: ignore[index]
        if not is_right:
            yield f'{route} {cell}: {got}, not {wanted or "a success"}'
