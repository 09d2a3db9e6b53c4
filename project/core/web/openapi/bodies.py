"""Request bodies and binary content."""

from typing import Any

from project.core.web.endpoints.endpoint_spec import EndpointSpec

from .examples import example_of

BINARY_SCHEMA = {'type': 'string', 'format': 'binary'}
ANY_TYPE, BYTES = '*/*', 'application/octet-stream'


def request_body(spec: EndpointSpec) -> dict[str, Any] | None:
    """Return the request body of an operation, or None if it has none."""
    content: dict[str, Any] = {}
    if spec.body:
        content['application/json'] = {'schema': spec.body, 'example': example_of(spec.body)}
    if spec.form:
        content['multipart/form-data'] = {'schema': spec.form}
    if spec.consumes:
        content |= binary_content(spec.consumes)
    # A raw body may be empty, so it is not required.
    return {'required': not spec.consumes, 'content': content} if content else None


def binary_content(media_type: str) -> dict[str, Any]:
    r"""Return the content of a body of bytes.

    If all types are possible, `application/octet-stream` comes first, because generated clients
    cannot send or read `*/*`.
    """
    types = (BYTES, ANY_TYPE) if media_type == ANY_TYPE else (media_type,)
    return {each: {'schema': BINARY_SCHEMA} for each in types}
