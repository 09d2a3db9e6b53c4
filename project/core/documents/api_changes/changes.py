"""`Change`, a difference with its feature and its routes, and the comparison of documents."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .differences import Difference
from .operations import OperationComparison
from .schema_values import Document

# The tag of routes that no feature defines, such as `/healthz`.
CORE_TAG, CORE = 'service', 'core'
FEATURE_REMOVED = 'the feature was removed'


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the API since another version.

    :param feature: the feature of the routes, or `core`.
    :param text: the change. The feature and this text identify it in `*.breaking.toml`.
    :param routes: the affected routes, such as `GET /api/v1/files`.
    """

    feature: str
    text: str
    routes: tuple[str, ...]
    is_breaking: bool


def compare_documents(
    old: Document, new: Document, *, features: frozenset[str], owners: Mapping[str, str]
) -> list[Change]:
    """Return the changes between two OpenAPI documents, sorted by feature and text.

    A feature that no longer exists is one change, however many routes it had.

    :param features: the names of the existing features, without `core`.
    :param owners: the features of the schemas of the new document.
    """
    found: dict[tuple[str, str, bool], set[str]] = {}
    for feature, route, difference in _differences(old, new, features):
        owner = owners.get(difference.schema or '', feature)
        key = owner, difference.text, difference.is_breaking
        found.setdefault(key, set()).add(route)
    return [
        Change(feature, text, tuple(sorted(routes - {''})), is_breaking)
        for (feature, text, is_breaking), routes in sorted(found.items())
    ]


def _differences(
    old: Document, new: Document, features: frozenset[str]
) -> Iterator[tuple[str, str, Difference]]:
    """Yield the feature, the route and the difference of each difference."""
    comparison = OperationComparison(old, new)
    pairs = _paired_paths(old['paths'], new['paths'])
    for (old_path, method), operation in sorted(_operations(old)):
        feature, route = feature_of(operation), f'{method.upper()} {old_path}'
        after = new['paths'].get(pairs.get(old_path), {}).get(method)
        if after is not None:
            for each in comparison.compare(operation, after):
                yield feature, route, each.at(route)
        elif feature != CORE and feature not in features:
            yield feature, route, Difference(FEATURE_REMOVED, True)
        else:
            yield feature, route, Difference(f'{route} was removed', True)
    news = {new_path: old_path for old_path, new_path in pairs.items()}
    for (path, method), operation in sorted(_operations(new)):
        if method not in old['paths'].get(news.get(path), {}):
            route = f'{method.upper()} {path}'
            yield feature_of(operation), route, Difference(f'{route} was added', False)
    for each in _common_differences(old, new, comparison):
        yield CORE, '', each


def _common_differences(
    old: Document, new: Document, comparison: OperationComparison
) -> Iterator[Difference]:
    """Yield the differences that concern all routes: common responses, and how clients log in."""
    olds, news = (each.get('components', {}) for each in (old, new))
    before, after = olds.get('responses', {}), news.get('responses', {})
    for name in sorted({*before} & {*after}):
        yield from comparison.compare_response(f'response {name}', before[name], after[name])
    before, after = olds.get('securitySchemes', {}), news.get('securitySchemes', {})
    for name in sorted(before):
        if before[name] != after.get(name):
            yield Difference(f'security scheme {name} was changed', True)
    if old.get('servers') != new.get('servers'):
        yield Difference('servers were changed', True)


def feature_of(operation: Mapping[str, Any]) -> str:
    """Return the feature of an operation: the tag, which is the name of the blueprint."""
    tag: str = (operation.get('tags') or [CORE_TAG])[0]
    return CORE if tag == CORE_TAG else tag


def features_of_document(document: Document) -> set[str]:
    """Return the features that have routes in a document."""
    return {feature_of(operation) for _, operation in _operations(document)}


def _operations(document: Document) -> list[tuple[tuple[str, str], Mapping[str, Any]]]:
    return [
        ((path, method), operation)
        for path, methods in document['paths'].items()
        for method, operation in methods.items()
    ]


def _paired_paths(old: Document, new: Document) -> dict[str, str]:
    """Return the new path of each old path. The names of URL arguments may differ."""
    pairs = {path: path for path in old if path in new}
    rest = _by_form([path for path in new if path not in pairs])
    for form, paths in _by_form([path for path in old if path not in pairs]).items():
        if len(paths) == len(rest.get(form, ())) == 1:
            pairs[paths[0]] = rest[form][0]
    return pairs


def _by_form(paths: list[str]) -> dict[str, list[str]]:
    """Return paths by their form, which is the path without the names of its URL arguments."""
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(re.sub(r'{\w+}', '{}', path), []).append(path)
    return found
