"""Limit of concurrent large responses per client.

A client that reads a large response slowly occupies a thread.
"""

from flask import Flask, Response, request

from project.core.errors import TooManyRequests
from project.core.ip_addresses import network_of
from project.core.request_context import current_request_context
from project.core.web.responses.error_handlers import handle_api_error

from .access import current_or_none

# The key of a function that the server stores in the WSGI environ. The function counts a large
# response under a client: the id of a user, or an IP network. It raises TooManyRequests if there is
# no thread for the response.
CLAIM_RESPONSE = 'project.claim_response'
# The send buffer of a socket has room for a smaller response, so its thread does not wait for the
# client. Linux begins with 87,040 bytes (`tcp_sndbuf_expand` with ten segments of 1,460 bytes).
LARGE_RESPONSE_BYTES = 64 * 1024


def init_app(app: Flask) -> None:
    """Register the limit of large responses that a client may receive at the same time."""
    app.after_request(limit_large_response)


def limit_large_response(response: Response) -> Response:
    """Return the response, or 429 if its client is receiving too many large responses."""
    claim_response = request.environ.get(CLAIM_RESPONSE)
    if claim_response is None or not _is_large(response):
        return response
    principal = current_or_none()
    address = current_request_context().ip_address
    try:
        claim_response(principal.user_id if principal else network_of(address))
    except TooManyRequests as error:
        response.close()
        return handle_api_error(error)
    return response


def _is_large(response: Response) -> bool:
    """Return whether a response has a large body, or one of unknown length."""
    if request.method == 'HEAD':
        return False
    length = response.content_length
    if length is None:
        length = response.calculate_content_length()
    return length is None or length > LARGE_RESPONSE_BYTES
