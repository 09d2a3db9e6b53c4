"""The type of a connection: gunicorn's `TConn`, with the attributes that these workers add."""

from collections.abc import Mapping
from socket import socket
from typing import Any, Protocol

from .concurrency_limits import ConcurrencyLimiter


class Connection(Protocol):
    """A connection of a client. A worker handles its requests one after the other."""

    sock: socket
    client: Any
    #: gunicorn's parser of the requests. Its `unreader` is an `Unreader` of `body_reader`.
    parser: Any
    initialized: bool
    #: The time, as a value of `time.monotonic()`, at which the wait for the client ends.
    timeout: float
    #: The limiter under which the current request runs.
    limiter: ConcurrencyLimiter
    #: The headers with which a page of another origin may read an error response of the worker.
    cors_headers: Mapping[str, str]
    #: Whether `100 Continue` was sent for the current request, or must not be sent.
    has_continued: bool
    #: Whether the body of the current request did not arrive in time.
    is_late: bool

    def init(self) -> None:
        """Create the parser of the requests."""

    def close(self) -> None:
        """Close the socket."""
