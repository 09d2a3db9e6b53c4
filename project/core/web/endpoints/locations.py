"""`Location` of created objects (RFC 9110 §10.2.2, §15.3.2), and the results of PUT."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request, url_for

from .endpoint_spec import EndpointSpec


@dataclass(frozen=True, slots=True)
class PutResult:
    """The result of a handler that stores a representation at the URL of the request.

    :param thing: the value for the response schema.
    :param etag: the ETag of the stored representation, if it is not that of `thing`.
    :param is_new: whether the URL had no representation before: the response is 201.
    """

    thing: Any
    etag: str | None = None
    is_new: bool = False


def location_of(spec: EndpointSpec, result: PutResult) -> str | None:
    """Return the URL of the created object, relative to the host; None if none was created."""
    if result.is_new:
        return url_for(str(request.endpoint), **request.view_args or {})
    if spec.location is None:
        return None
    endpoint, *arguments = spec.location
    name, path = (*arguments, 'id')[:2] if arguments else ('', '')
    return url_for(endpoint, **{name: _value_at(result.thing, path)} if name else {})


def _value_at(thing: Any, path: str) -> Any:
    """Return a value inside of an object: `session.id`."""
    for name in path.split('.'):
        thing = thing[name] if isinstance(thing, Mapping) else getattr(thing, name)
    return thing
