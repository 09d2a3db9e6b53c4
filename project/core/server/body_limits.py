"""Detection of requests whose body is too large, from their heads."""

from typing import Any

from project.core.web.endpoints.endpoint_spec import max_body_bytes

from .request_state import content_length
from .route_lookup import RouteLookup, request_line


class BodyLimits:
    """The maximum body sizes of the routes of an application.

    :param app: the WSGI application. If it is not a Flask application, there are no limits.
    """

    def __init__(self, app: Any) -> None:
        config = getattr(app, 'config', {})
        self._default: int | None = config.get('MAX_CONTENT_LENGTH')
        specs = getattr(app, 'extensions', {}).get('endpoint_specs', {})
        self._limits = {route: max_body_bytes(spec, config) for route, spec in specs.items()}
        if self._default is not None:
            self._lookup = RouteLookup(app)
            # Most bodies are smaller than all limits, and need no look-up.
            self._least = min([self._default, *self._limits.values()])

    def are_exceeded(self, head: bytes) -> bool:
        """Return whether `Content-Length` exceeds the limit of the route of a request.

        The application rejects such a request, or does not read its body.

        :param head: the head of the request; bytes of the body may follow it.
        """
        length, line = content_length(head), request_line(head)
        if length is None or line is None or self._default is None or length <= self._least:
            return False
        route = self._lookup.find(*line)
        return length > (self._limits.get(route, self._default) if route else self._default)
