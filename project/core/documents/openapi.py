"""OpenAPI documents of the features: parts of the document that the service serves.

The part of a feature contains its paths, and the schemas and permissions that its modules define.
Each value is in exactly one part. So `join_documents` returns the served document again.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from flask import current_app

from project.core.security.permissions import registered_permissions
from project.core.web.openapi.document import (
    documented_methods,
    schema_modules,
    specification,
)
from project.core.web.routing import openapi_path

from .owners import CORE, Owners
from .routes import module_of


def split_document(owners: Owners) -> dict[str, dict[str, Any]]:
    """Return the part of each feature. The part of `core` is everything that no feature defines."""
    document: dict[str, Any] = specification()
    parts: dict[str, dict[str, Any]] = {owner: {} for owner in owners.names}
    for keys, module in [*_operations(), *_schemas(), *_permissions()]:
        owner = owners.of_module(module) or CORE
        if owner != CORE:
            _copy(document, parts[owner], keys)
    parts[CORE] = _difference(document, join_documents(parts.values()))
    return parts


def join_documents(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the document that contains all parts."""
    joined: dict[str, Any] = {}
    for part in parts:
        _merge(joined, part)
    return joined


def _operations() -> list[tuple[tuple[str, ...], str]]:
    """Return the location of each operation in the document, and the module of its view.

    A location is a sequence of keys, such as `('paths', '/users', 'get')`.
    """
    rules = sorted(current_app.url_map.iter_rules(), key=lambda rule: rule.rule)
    return [
        (('paths', openapi_path(rule), method.lower()), module_of(rule))
        for rule in rules
        for method in sorted(documented_methods(rule))
    ]


def _schemas() -> list[tuple[tuple[str, ...], str]]:
    """Return the location of each schema in the document, and the module that defines it."""
    return [(('components', 'schemas', name), at) for name, at in schema_modules().items()]


def _permissions() -> list[tuple[tuple[str, ...], str]]:
    found = registered_permissions().items()
    return [(('x-permissions', name), permission.owner) for name, permission in found]


def _copy(whole: Mapping[str, Any], part: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Copy the value at a location of the whole document to the same location of a part."""
    *outer, last = keys
    for key in outer:
        whole, part = whole[key], part.setdefault(key, {})
    part[last] = whole[last]


def _merge(joined: dict[str, Any], part: Mapping[str, Any]) -> None:
    for key, value in part.items():
        if isinstance(value, dict):
            _merge(joined.setdefault(key, {}), value)
        else:
            joined[key] = value


def _difference(whole: Mapping[str, Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the whole document that `taken`, the joined parts, does not contain."""
    rest: dict[str, Any] = {}
    for key, value in whole.items():
        if key not in taken:
            rest[key] = value
        elif isinstance(value, dict) and (inner := _difference(value, taken[key])):
            rest[key] = inner
    return rest
