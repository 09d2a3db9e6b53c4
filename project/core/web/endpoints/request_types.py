"""Check that the type annotations of a handler match the request schemas of its endpoint.

A type checker finds a misspelt key only if the `TypedDict` of the handler's argument has the same
keys as the schema.
"""

from collections.abc import Callable
from inspect import get_annotations
from typing import Any, get_args, is_typeddict

from marshmallow import Schema, missing

from .endpoint_spec import EndpointSpec


def validate_request_types(spec: EndpointSpec, handler: Callable[..., Any]) -> None:
    """Compare each `TypedDict` in a handler's annotations with the schema that loads the argument.

    :raises TypeError: if the keys differ, or different keys are optional.
    """
    annotations = get_annotations(handler)
    for name, schema in (('body', spec.body), ('form', spec.form), ('query', spec.query)):
        annotation = annotations.get(name)
        # The annotation of a form may be a union with None: `FileCreateFormData | None`.
        for found in (annotation, *get_args(annotation)):
            if schema and is_typeddict(found):
                _compare(found, schema(), handler.__qualname__)


def _compare(values: Any, schema: Schema, where: str) -> None:
    fields = {field.attribute or name: field for name, field in schema.load_fields.items()}
    required = {
        name for name, field in fields.items()
        if field.required or field.load_default is not missing
    }  # fmt: skip
    if values.__required_keys__ != required or values.__optional_keys__ != fields.keys() - required:
        raise TypeError(
            f'{where}: {values.__name__} must have the keys {sorted(required)} and, as '
            f'NotRequired, {sorted(fields.keys() - required)}: those of {type(schema).__name__}'
        )
