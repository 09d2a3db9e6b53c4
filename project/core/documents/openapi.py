"""One OpenAPI document per feature: its paths, and the schemas that its modules define.

The parts contain no common key, so that `join_documents` returns the document that the service
serves.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from flask import current_app

from project.core.security.permissions import registered_permissions
from project.core.web.openapi.document import (
    documented_methods,
    openapi_path,
    schema_modules,
    specification,
)

from .owners import CORE, Owners
from .routes import module_of


def split_document(owners: Owners) -> dict[str, dict[str, Any]]:
    """Return the part of each owner. The core has everything that no feature defines."""
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
    """Return the keys of each operation in the document, and the module of its view."""
    rules = sorted(current_app.url_map.iter_rules(), key=lambda rule: rule.rule)
    return [
        (('paths', openapi_path(rule), method.lower()), module_of(rule))
        for rule in rules
        for method in sorted(documented_methods(rule))
    ]


def _schemas() -> list[tuple[tuple[str, ...], str]]:
    """Return the keys of each schema in the document, and the module that defines it."""
    return [(('components', 'schemas', name), at) for name, at in schema_modules().items()]


def _permissions() -> list[tuple[tuple[str, ...], str]]:
    found = registered_permissions().items()
    return [(('x-permissions', name), permission.owner) for name, permission in found]


def _copy(whole: Mapping[str, Any], part: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Copy the value below some keys of a document into a part of it."""
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
    """Return the values of a document that are not in the joined parts."""
    rest: dict[str, Any] = {}
    for key, value in whole.items():
        if key not in taken:
            rest[key] = value
        elif isinstance(value, dict) and (inner := _difference(value, taken[key])):
            rest[key] = inner
    return rest
