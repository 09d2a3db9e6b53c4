"""Detection of requests that hash a password, before they get a thread.

Hashing a password occupies a core and 19 MiB for 50 ms, the time of hundreds of other requests.
Routes declare that they hash a password (`@endpoint(hashes_password=…)`). The URL map of the
application matches the URL, so that every spelling is detected: percent-encoded, with doubled
slashes, in absolute form.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from gunicorn.util import split_request_uri, unquote_to_wsgi_str
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, RequestRedirect

from project.core.server.request_state import HEAD_END

# The maximum number of cached results. They are cached by method and URL, because matching a URL
# takes 30 µs.
MAX_CACHED_URLS = 1024


class PasswordRequests:
    """The routes of an application that hash passwords.

    :param app: the WSGI application. If it is not a Flask application, no request matches.
    """

    def __init__(self, app: Any) -> None:
        specs = getattr(app, 'extensions', {}).get('endpoint_specs', {})
        self._routes: dict[tuple[str, str], bool | str] = {
            route: spec.hashes_password for route, spec in specs.items() if spec.hashes_password
        }
        self._urls = app.url_map.bind('localhost') if self._routes else Map().bind('localhost')
        self._always = _methods(route for route, found in self._routes.items() if found is True)
        self._with_header = {
            _header_prefix(header): _methods(
                route for route, found in self._routes.items() if found == header
            )
            for header in self._routes.values()
            if isinstance(header, str)
        }
        self._find = lru_cache(MAX_CACHED_URLS)(self._find_uncached)

    def matches(self, head: bytes) -> bool:
        """Return whether a request hashes a password.

        :param head: the head of the request; bytes of the body may follow it.
        """
        words = head[: head.find(b'\r\n')].split(b' ', 2)
        if len(words) != 3:
            return False
        method, target, _ = words
        headers = [
            prefix
            for prefix, methods in self._with_header.items()
            if method in methods and prefix in head[: head.find(HEAD_END) + 2].lower()
        ]
        if method not in self._always and not headers:
            return False
        found = self._find(method, target)
        return found is True or (isinstance(found, str) and _header_prefix(found) in headers)

    def _find_uncached(self, method: bytes, target: bytes) -> bool | str:
        """Return the value of `hashes_password` that the route of a request declares.

        False if no route matches.
        """
        try:
            path = split_request_uri(target.decode('latin-1')).path
        except ValueError:  # gunicorn returns 400.
            return False
        path = path.removeprefix(os.getenv('SCRIPT_NAME', ''))  # gunicorn removes it, too.
        # Decode the path as WSGI servers and Werkzeug do.
        decoded = unquote_to_wsgi_str(path).encode('latin-1').decode(errors='replace')
        return self._match(method.decode('latin-1'), decoded)

    def _match(self, method: str, path: str, *, may_redirect: bool = True) -> bool | str:
        try:
            endpoint, _ = self._urls.match(path, method)
        except RequestRedirect as redirect:
            if not may_redirect:
                return False
            return self._match(method, urlsplit(redirect.new_url).path, may_redirect=False)
        except HTTPException:  # Unknown URL or method.
            return False
        return self._routes.get((endpoint, method), False)


def _methods(routes: Iterable[tuple[str, str]]) -> frozenset[bytes]:
    return frozenset(method.encode() for _, method in routes)


def _header_prefix(name: str) -> bytes:
    return f'\r\n{name.lower()}:'.encode()
