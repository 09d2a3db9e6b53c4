"""The features of the repository with their tables and routes."""

from collections.abc import Iterator
from typing import NamedTuple

from flask import current_app

from project.core.database.migrations import tables_of
from project.core.features import find_features
from project.core.web.endpoints.endpoint_spec import declared_methods


class ListedFeature(NamedTuple):
    """A feature, as `flask feature list` prints it.

    :param routes: the method and path of each route: `GET /api/v1/users`.
    """

    name: str
    requires: tuple[str, ...]
    tables: list[str]
    routes: list[str]


def list_features() -> Iterator[ListedFeature]:
    """Yield all features, each after those that it requires."""
    for name, requires in find_features():
        yield ListedFeature(name, requires, tables_of(name), list(_routes_of(name)))


def _routes_of(feature: str) -> Iterator[str]:
    for rule in sorted(current_app.url_map.iter_rules(), key=str):
        if rule.endpoint.startswith(f'api_v1.{feature}.'):
            for method in sorted(declared_methods(rule) - {'HEAD'}):
                yield f'{method} {rule.rule}'
