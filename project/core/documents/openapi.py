"""OpenAPI documents of the features: parts of the document that the service serves.

The part of a feature contains its paths, its tag, and the schemas and permissions that its modules
define. Each value is in exactly one part, and so is each element of a list that several features
extend. So `join_documents` returns the served document again.
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
from project.core.web.openapi.paths import documented_rules
from project.core.web.openapi.schemas import PERMISSION
from project.core.web.openapi.tags import module_of_tag

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
    for keys, element, module in [*_tags(document), *_permission_names()]:
        owner = owners.of_module(module) or CORE
        if owner != CORE:
            _append(parts[owner], keys, element)
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
    return [
        (('paths', path.path, method.lower()), module_of(rule))
        for rule, path in documented_rules()
        for method in sorted(documented_methods(rule))
    ]


def _schemas() -> list[tuple[tuple[str, ...], str]]:
    """Return the location of each schema in the document, and the module that defines it."""
    return [(('components', 'schemas', name), at) for name, at in schema_modules().items()]


def _permissions() -> list[tuple[tuple[str, ...], str]]:
    found = registered_permissions().items()
    return [(('x-permissions', name), permission.owner) for name, permission in found]


def _tags(document: Mapping[str, Any]) -> list[tuple[tuple[str, ...], dict[str, str], str]]:
    """Return the location of each tag: that of the list, the element, and its module."""
    return [(('tags',), tag, module_of_tag(current_app, tag['name'])) for tag in document['tags']]


def _permission_names() -> list[tuple[tuple[str, ...], str, str]]:
    """Return the location of each name of a permission in the schema of all names."""
    keys, found = ('components', 'schemas', PERMISSION, 'enum'), registered_permissions().items()
    return [(keys, name, permission.owner) for name, permission in found]


def _append(part: dict[str, Any], keys: tuple[str, ...], element: Any) -> None:
    *outer, last = keys
    for key in outer:
        part = part.setdefault(key, {})
    part.setdefault(last, []).append(element)


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
        elif isinstance(value, list) and key in joined:
            joined[key] = sorted([*joined[key], *value], key=_name_of)
        else:
            joined[key] = value


def _name_of(element: Any) -> Any:
    return element['name'] if isinstance(element, dict) else element


def _difference(whole: Mapping[str, Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the whole document that `taken`, the joined parts, does not contain."""
    rest: dict[str, Any] = {}
    for key, value in whole.items():
        if key not in taken:
            rest[key] = value
        elif isinstance(value, dict) and (inner := _difference(value, taken[key])):
            rest[key] = inner
        elif isinstance(value, list) and (
            others := [element for element in value if element not in taken[key]]
        ):
            rest[key] = others
    return rest
