"""The routes of requests, determined from their heads before they get a thread.

The URL map of the application matches the URL, so that every spelling is detected: percent-encoded,
with doubled slashes, in absolute form.
"""

import os
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from gunicorn.util import split_request_uri, unquote_to_wsgi_str
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

# The maximum number of cached results. They are cached by method and URL, because matching a URL
# takes 30 µs.
MAX_CACHED_URLS = 1024


class RouteLookup:
    """The routes of a Flask application.

    :param app: the application.
    """

    def __init__(self, app: Any) -> None:
        self._urls = app.url_map.bind('localhost')
        self.find = lru_cache(MAX_CACHED_URLS)(self._find_uncached)

    def _find_uncached(self, method: bytes, target: bytes) -> tuple[str, str] | None:
        """Return the endpoint and the method of a request; None if no route matches."""
        try:
            path = split_request_uri(target.decode('latin-1')).path
        except ValueError:  # gunicorn returns 400.
            return None
        path = path.removeprefix(os.getenv('SCRIPT_NAME', ''))  # gunicorn removes it, too.
        # Decode the path as WSGI servers and Werkzeug do.
        decoded = unquote_to_wsgi_str(path).encode('latin-1').decode(errors='replace')
        return self._match(method.decode('latin-1'), decoded)

    def _match(
        self, method: str, path: str, *, may_redirect: bool = True
    ) -> tuple[str, str] | None:
        try:
            endpoint, _ = self._urls.match(path, method)
        except RequestRedirect as redirect:
            if not may_redirect:
                return None
            return self._match(method, urlsplit(redirect.new_url).path, may_redirect=False)
        except HTTPException:  # Unknown URL or method.
            return None
        return endpoint, method


def request_line(head: bytes) -> tuple[bytes, bytes] | None:
    """Return the method and the target of a request; None if the line is malformed."""
    words = head[: head.find(b'\r\n')].split(b' ', 2)
    return (words[0], words[1]) if len(words) == 3 else None
