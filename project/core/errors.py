"""Errors that become HTTP responses (`core.web.responses.error_handlers`).

Each class has an HTTP status. A feature subclasses the class that fits, and sets `field` (the key
in the response) and `reason` (the text for people).
"""

from collections.abc import Mapping
from http import HTTPStatus


class ApiError(Exception):
    """Base class of errors that the client has caused (4xx)."""

    http_code = 400
    field = 'request'
    reason = 'Invalid request'

    def __init__(self, reason: str | None = None, *, headers: Mapping[str, str] | None = None):
        super().__init__(reason or self.reason)
        self.headers = dict(headers or {})

    @property
    def data(self) -> dict[str, list[str]]:
        """Return the error in the same form as a validation error: a list of reasons by field."""
        return {self.field: [str(self)]}


class BadRequest(ApiError):
    """The request cannot be parsed."""

    reason = 'Malformed request'


def bearer_challenge(error: str | None = None, **parameters: str) -> dict[str, str]:
    """Return the header `WWW-Authenticate` (RFC 6750, section 3).

    :param error: the error code; None if the request has no bearer token (section 3.1).
    :param parameters: further parameters, such as `scope`. Values must not contain quotes.
    """
    given = {'realm': 'api', **({'error': error} if error else {}), **parameters}
    pairs = ', '.join(f'{name}="{value}"' for name, value in given.items())
    return {'WWW-Authenticate': f'Bearer {pairs}'}


class Unauthorized(ApiError):
    """The caller is not authenticated (RFC 6750).

    :param error: the error code of RFC 6750, if the request has a bearer token.
    """

    http_code = 401
    field = 'authorization'
    reason = 'Missing or invalid bearer token'

    def __init__(self, reason: str | None = None, *, error: str | None = None):
        super().__init__(reason, headers=bearer_challenge(error))


class Forbidden(ApiError):
    """The caller is authenticated, but lacks a permission."""

    http_code = 403
    field = 'permission'
    reason = 'Not allowed'


class ReauthenticationRequired(Forbidden):
    """The login is not recent enough for this operation."""

    field = 'reauthentication'
    reason = 'Log in again to do this'


class NotFound(ApiError):
    """The resource does not exist, or the caller must not learn that it exists."""

    http_code = 404
    field = 'url'
    reason = 'Not found'


class RequestTimeout(ApiError):
    """The request body did not arrive within the time limit; the connection is closed."""

    http_code = 408
    reason = HTTPStatus.REQUEST_TIMEOUT.description


class Conflict(ApiError):
    """The request contradicts existing data."""

    http_code = 409
    reason = 'Already exists'


class PreconditionFailed(ApiError):
    """The resource has changed since the client read it (RFC 9110, If-Match)."""

    http_code = 412
    field = 'etag'
    reason = 'Changed in the meantime: read it again and send its new ETag'


class ContentTooLarge(ApiError):
    """The content exceeds a size limit."""

    http_code = 413
    field = 'size'
    reason = 'Too large'


class UnsupportedMediaType(ApiError):
    """The route does not accept the type of the request body."""

    http_code = 415
    field = 'content_type'
    reason = 'Must be application/json in UTF-8'
    #: The media type that the route accepts; None: those of its declaration.
    accepted: str | None = None


class ContentEncodingUnsupported(UnsupportedMediaType):
    """The request body has a content coding, such as `gzip` (RFC 9110, section 15.5.16)."""

    field = 'content_encoding'
    reason = 'Send the body without a content coding'

    def __init__(self) -> None:
        super().__init__(headers={'Accept-Encoding': 'identity'})


class RangeNotSatisfiable(ApiError):
    """All requested ranges are beyond the end of the content (RFC 9110).

    :param size: the size of the content in bytes.
    """

    http_code = 416
    field = 'range'
    reason = 'The range is outside the content'

    def __init__(self, size: int | None = None):
        # `size` may be missing, because the OpenAPI document creates the error only to read its
        # status.
        super().__init__(headers={'Content-Range': f'bytes */{size}'} if size is not None else {})


class UnprocessableContent(ApiError):
    """The request can be parsed, but its values are invalid."""

    http_code = 422
    reason = 'Invalid'


class TooManyRequests(ApiError):
    """The caller has exceeded a limit.

    :param retry_after: seconds after which another attempt is allowed.
    """

    http_code = 429
    field = 'rate'
    reason = 'Too many requests'

    def __init__(self, retry_after: int = 1):
        super().__init__(headers={'Retry-After': str(max(1, retry_after))})


class ServiceUnavailable(Exception):
    """A temporary fault of the service: 503, or 507 if the disk is full.

    :param detail: the cause, for the log. Clients only get `reason`.
    :param retry_after: seconds after which the client may try again.
    """

    http_code = 503
    reason = 'Service Unavailable'

    def __init__(self, detail: str | None = None, *, retry_after: int = 5):
        super().__init__(detail or self.reason)
        self.retry_after = retry_after


class InsufficientStorage(ServiceUnavailable):
    """There is not enough disk space to store the content of the request."""

    http_code = 507
    reason = 'Insufficient Storage'
