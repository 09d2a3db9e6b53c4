"""Checks of the routes: each is below the URL prefix of its feature, and uses its permissions."""

import inspect
import re
from collections.abc import Callable, Mapping

from flask import Flask
from werkzeug.routing import Rule

from project.core.features import Feature, find_features
from project.core.registration import RegistrationError, feature_of, is_in_project
from project.core.security.permissions import permission_owners

from .access import Access
from .endpoint_spec import ENDPOINT_SPECS, handler_of

# The group is the first part of the path after the version: `/files` in `/api/v1/files/<file_id>`.
PATH_PATTERN = re.compile(r'(?:/api/v[0-9]+)?(/[^/]*)(?:/.*)?')


def validate_owners(app: Flask) -> None:
    """Check the path and the permissions of each route. Call it after all routes are registered.

    Handlers of modules outside `project` are not checked.

    :raises RegistrationError: if a route is not below the URL prefix of its feature, or requires a
        permission that belongs to a feature outside of its `requires`. The message names both
        modules.
    """
    features = {feature.name: feature for feature in find_features()}
    by_prefix = {f'/{name.replace("_", "-")}': name for name in features}
    owners = permission_owners()
    for (endpoint, method), spec in ENDPOINT_SPECS.of(app).items():
        handler = handler_of(app.view_functions[endpoint], method)
        assert handler is not None  # noqa: S101 - its spec was found
        module = inspect.unwrap(handler).__module__
        if not is_in_project(module):
            continue
        for rule in app.url_map.iter_rules(endpoint):
            _check_path(rule, handler, module, by_prefix)
        _check_permissions(endpoint, spec.allow, features.get(feature_of(module)), owners)


def _check_path(
    rule: Rule, handler: Callable[..., object], module: str, by_prefix: Mapping[str, str]
) -> None:
    match = PATH_PATTERN.fullmatch(rule.rule)
    owner = by_prefix.get(match[1] if match else '', 'core')
    feature = feature_of(module) if feature_of(module) in by_prefix.values() else 'core'
    if owner != feature:
        raise RegistrationError(
            f'route {rule.rule} of {module}.{handler.__qualname__} is below the prefix of '
            f'project.{owner}, and not below that of project.{feature}'
        )


def _check_permissions(
    endpoint: str, allow: Access, feature: Feature | None, owners: Mapping[str, str]
) -> None:
    for name in filter(None, (allow.permission, allow.scope)):
        owner = owners.get(name)
        if feature and owner and feature_of(owner) not in (feature.name, *feature.requires):
            raise RegistrationError(
                f'route {endpoint} of project.{feature.name} requires {name!r}, a permission of '
                f'{owner}: add {feature_of(owner)!r} to its requires'
            )
