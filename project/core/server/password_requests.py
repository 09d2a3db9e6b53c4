"""Detection of requests that hash a password, before they get a thread.

Hashing a password occupies a core and 19 MiB for 50 ms, the time of hundreds of other requests.
Routes declare that they hash a password (`@endpoint(hashes_password=…)`).
"""

from collections.abc import Iterable
from typing import Any

from .request_state import HEAD_END
from .route_lookup import RouteLookup, request_line


class PasswordRequests:
    """The routes of an application that hash passwords.

    :param app: the WSGI application. If it is not a Flask application, no request matches.
    """

    def __init__(self, app: Any) -> None:
        specs = getattr(app, 'extensions', {}).get('endpoint_specs', {})
        self._routes: dict[tuple[str, str], bool | str] = {
            route: spec.hashes_password for route, spec in specs.items() if spec.hashes_password
        }
        self._lookup = RouteLookup(app) if self._routes else None
        self._always = _methods(route for route, found in self._routes.items() if found is True)
        self._with_header = {
            _header_prefix(header): _methods(
                route for route, found in self._routes.items() if found == header
            )
            for header in self._routes.values()
            if isinstance(header, str)
        }

    def matches(self, head: bytes) -> bool:
        """Return whether a request hashes a password.

        :param head: the head of the request; bytes of the body may follow it.
        """
        line = request_line(head)
        if line is None or self._lookup is None:
            return False
        method, target = line
        headers = [
            prefix
            for prefix, methods in self._with_header.items()
            if method in methods and prefix in head[: head.find(HEAD_END) + 2].lower()
        ]
        if method not in self._always and not headers:
            return False
        route = self._lookup.find(method, target)
        found = self._routes.get(route, False) if route else False
        return found is True or (isinstance(found, str) and _header_prefix(found) in headers)


def _methods(routes: Iterable[tuple[str, str]]) -> frozenset[bytes]:
    return frozenset(method.encode() for _, method in routes)


def _header_prefix(name: str) -> bytes:
    return f'\r\n{name.lower()}:'.encode()
