"""Refusals: the kinds of no. A kind owns its HTTP status; `core.web.jsend` makes answers of them.

A feature subclasses the kind that fits and fills in two words, `field` and `reason`.
"""

from collections.abc import Mapping
from http import HTTPStatus


class ApiError(Exception):
    """The request is at fault, and nothing of it was done."""

    http_code = 400
    field = 'request'
    reason = 'Not acceptable'

    def __init__(self, reason: str | None = None, *, headers: Mapping[str, str] | None = None):
        super().__init__(reason or self.reason)
        self.headers = dict(headers or {})

    @property
    def data(self) -> dict[str, list[str]]:
        """Return the refusal in the shape of a validation error."""
        return {self.field: [str(self)]}


class BadRequest(ApiError):
    """The request cannot be read."""

    reason = 'Malformed'


class Unauthorized(ApiError):
    """We do not know who is asking (RFC 6750)."""

    http_code = 401
    field = 'authorization'
    reason = 'Missing or invalid bearer token'

    def __init__(self, reason: str | None = None):
        super().__init__(reason, headers={'WWW-Authenticate': 'Bearer'})


class Forbidden(ApiError):
    """We know who is asking, and they may not."""

    http_code = 403
    field = 'permission'
    reason = 'Not allowed'


class ReauthenticationRequired(Forbidden):
    """The login is not recent enough for this operation."""

    field = 'reauthentication'
    reason = 'Log in again to do this'


class NotFound(ApiError):
    """There is no such thing, or none that the asker may know of."""

    http_code = 404
    field = 'url'
    reason = 'Not found'


class RequestTimeout(ApiError):
    """The body did not arrive within the time limit; the connection is closed."""

    http_code = 408
    reason = HTTPStatus.REQUEST_TIMEOUT.description


class Conflict(ApiError):
    """It would contradict something that exists."""

    http_code = 409
    reason = 'Already exists'


class PreconditionFailed(ApiError):
    """The thing has changed since it was read (RFC 9110, If-Match)."""

    http_code = 412
    field = 'etag'
    reason = 'Changed in the meantime'


class ContentTooLarge(ApiError):
    """More bytes than we take."""

    http_code = 413
    field = 'size'
    reason = 'Too large'


class UnsupportedMediaType(ApiError):
    """A kind of content that this route does not read."""

    http_code = 415
    field = 'content_type'
    reason = 'Must be application/json in UTF-8'


class RangeNotSatisfiable(ApiError):
    """Bytes that lie behind the end (RFC 9110)."""

    http_code = 416
    field = 'range'
    reason = 'Outside of the content'

    def __init__(self, size: int | None = None):
        # What is raised without a size only stands for its kind, in a declaration.
        super().__init__(headers={'Content-Range': f'bytes */{size}'} if size is not None else {})


class UnprocessableContent(ApiError):
    """It was read, and does not fit."""

    http_code = 422
    reason = 'Invalid'


class TooManyRequests(ApiError):
    """Too often; `retry_after` is in whole seconds, and honest."""

    http_code = 429
    field = 'rate'
    reason = 'Too many requests'

    def __init__(self, retry_after: int = 1):
        super().__init__(headers={'Retry-After': str(max(1, retry_after))})


class ServiceUnavailable(Exception):
    """Not the request but we are at fault, for now: 503, or 507 where the disk is full.

    What has happened (`detail`) is for the log; clients are told `reason`, and no more.
    """

    http_code = 503
    reason = 'Service Unavailable'

    def __init__(self, detail: str | None = None, *, retry_after: int = 5):
        super().__init__(detail or self.reason)
        self.retry_after = retry_after


class InsufficientStorage(ServiceUnavailable):
    """There is no room for what was sent."""

    http_code = 507
    reason = 'Insufficient Storage'
