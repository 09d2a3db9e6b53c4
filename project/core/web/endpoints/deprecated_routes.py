"""Response headers of deprecated routes, and the count of their callers.

The headers are `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link` (RFC 8288).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time

from flask import Flask, Response, current_app, request, url_for
from werkzeug.http import http_date
from werkzeug.routing import Rule

from project.core.app_values import AppValue
from project.core.deprecated_calls import CallBuffer, caller_of
from project.core.request_context import current_request_context
from project.core.web.routing import openapi_path

from .access import current_or_none
from .deprecation import MIN_NOTICE, Deprecation
from .endpoint_spec import ENDPOINT_SPECS, EndpointSpec, Route

DOCS_ENDPOINT = 'api_v1.docs.docs_show'

# A request that was rejected before the route could run does not show that a client needs it.
NOT_COUNTED = frozenset({401, 429})

BUFFER: AppValue[CallBuffer] = AppValue('deprecated_calls')


class DeprecationInvalid(Exception):
    """The dates or the successor of a deprecated route are wrong. The service does not start."""


def init_app(app: Flask) -> None:
    """Add the headers to all responses of deprecated routes, and count their callers."""
    BUFFER.set(app, CallBuffer(app))
    app.after_request(announce_deprecation)


def announce_deprecation(response: Response) -> Response:
    """Add the headers of a deprecated route and count the call; write the counts when due.

    The counts are written after the response was sent, so the request does not wait for them.
    """
    buffer = BUFFER.get()
    if request.url_rule is not None:
        spec = ENDPOINT_SPECS.get().get((str(request.endpoint), request.method))
        if spec is not None and spec.deprecated is not None:
            _add_headers(response, spec.deprecated)
            if response.status_code not in NOT_COUNTED:
                agent = current_request_context().user_agent
                buffer.add(caller_of(_counted(request.url_rule), current_or_none(), agent))
    if buffer.is_due():
        response.call_on_close(buffer.flush)
    return response


def _add_headers(response: Response, deprecation: Deprecation) -> None:
    response.headers['Deprecation'] = f'@{int(_midnight(deprecation.since).timestamp())}'
    response.headers['Sunset'] = http_date(_midnight(deprecation.sunset))
    if deprecation.successor:
        view_args = request.view_args or {}
        names = _arguments(current_app, deprecation.successor)
        url = url_for(deprecation.successor, **{name: view_args[name] for name in names})
        # A list already has a `Link` with the next page.
        response.headers.add('Link', f'<{url}>; rel="successor-version"')
    if DOCS_ENDPOINT in current_app.view_functions and current_app.config['API_DOCS'] != 'off':
        url = url_for(DOCS_ENDPOINT)
        response.headers.add('Link', f'<{url}>; rel="deprecation"; type="text/html"')


def deprecations() -> dict[str, date]:
    """Return the sunset date of each deprecated route, such as `GET /api/v1/files/{file_id}`."""
    return {
        _shown(method, rule): found.sunset
        for (_, method), rule, found in _deprecated(current_app)
        # Flask adds HEAD to each route with GET.
        if method != 'HEAD' or 'GET' not in (rule.methods or ())
    }


def validate_deprecations(app: Flask) -> None:
    """Check the dates and the successor of each deprecated route.

    Call it after the endpoint specs were collected.

    :raises DeprecationInvalid: if a sunset date is earlier than `MIN_NOTICE` after the start, or
        a successor does not exist, is deprecated itself or has other URL arguments. The message
        names all such routes.
    """
    faults = [
        f'{_shown(route[1], rule)} is deprecated, but {fault}'
        for route, rule, found in _deprecated(app)
        if route[1] != 'HEAD'
        for fault in _faults(app, rule, found)
    ]
    if faults:
        raise DeprecationInvalid('; '.join(faults))


def _faults(app: Flask, rule: Rule, deprecation: Deprecation) -> Iterator[str]:
    earliest = deprecation.since + MIN_NOTICE
    if deprecation.sunset < earliest:
        yield (
            f'its sunset {deprecation.sunset} is less than {MIN_NOTICE.days} days after '
            f'{deprecation.since}: at the earliest {earliest}'
        )
    successor = deprecation.successor
    if successor is None:
        return
    if successor not in app.view_functions:
        yield f'its successor {successor!r} is not an endpoint: `flask routes` lists them'
    elif all(spec.deprecated for (name, _), spec in _specs(app) if name == successor):
        yield f'its successor {successor!r} is deprecated, too'
    elif missing := _arguments(app, successor) - rule.arguments:
        yield (
            f'its URL lacks {", ".join(sorted(missing))}, an argument of the successor '
            f'{successor!r}: describe the successor in the docstring instead'
        )


def _deprecated(app: Flask) -> Iterator[tuple[Route, Rule, Deprecation]]:
    for route, spec in _specs(app):
        if spec.deprecated is not None:
            for rule in app.url_map.iter_rules(route[0]):
                if route[1] in (rule.methods or ()):
                    yield route, rule, spec.deprecated


def _specs(app: Flask) -> Iterable[tuple[Route, EndpointSpec]]:
    return ENDPOINT_SPECS.of(app).items()


def _arguments(app: Flask, endpoint: str) -> set[str]:
    """Return the names of the arguments in the URL of an endpoint."""
    [rule, *_] = app.url_map.iter_rules(endpoint)
    return set(rule.arguments)


def _counted(rule: Rule) -> str:
    """Return the route under which the current request is counted: HEAD as GET."""
    is_head = request.method == 'HEAD' and 'GET' in (rule.methods or ())
    return _shown('GET' if is_head else request.method, rule)


def _shown(method: str, rule: Rule) -> str:
    return f'{method} {openapi_path(rule)}'


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
