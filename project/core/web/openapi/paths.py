"""Paths of the OpenAPI document. Several URL rules may have the same path.

OpenAPI does not allow two paths that differ only in the names of their arguments (OAS 3.1, Paths
Object), but Flask does: its converters tell `/users/<int:user_id>` from `/users/<username>`. Such
rules become one path with a common name: `/users/{user}`.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import NamedTuple

from flask import Flask, current_app
from werkzeug.routing import Rule

from project.core.web.routing import URL_ARGUMENT_PATTERN, openapi_path

# Names of an argument for which rules have no common name.
NAMELESS = 'key'


class DocumentedPath(NamedTuple):
    """The path of a URL rule in the document.

    :param arguments: the name of each argument in the path, by its name in the rule.
    """

    path: str
    arguments: Mapping[str, str]


def documented_rules(app: Flask | None = None) -> list[tuple[Rule, DocumentedPath]]:
    """Return all URL rules with their paths, sorted by path.

    Of the rules with the same path, those with an argument of any text come last, because they
    match the URLs that the other rules do not match.
    """
    by_form: dict[str, list[Rule]] = defaultdict(list)
    for rule in (app or current_app).url_map.iter_rules():
        by_form[_form(rule)].append(rule)
    found = [each for rules in by_form.values() for each in _common_path(rules)]
    return sorted(found, key=lambda each: (each[1].path, _is_text(each[0]), each[0].rule))


def documented_path(rule: Rule, app: Flask | None = None) -> str:
    """Return the path of a URL rule in the document."""
    return next(path.path for each, path in documented_rules(app) if each.rule == rule.rule)


def _form(rule: Rule) -> str:
    """Return a rule without the names and the converters of its arguments."""
    return re.sub(r'{\w+}', '{}', openapi_path(rule))


def _is_text(rule: Rule) -> bool:
    kinds = [match['kind'] or 'string' for match in URL_ARGUMENT_PATTERN.finditer(rule.rule)]
    return 'string' in kinds or 'path' in kinds


def _common_path(rules: list[Rule]) -> Iterator[tuple[Rule, DocumentedPath]]:
    """Yield each of several rules of the same form, with its path."""
    arguments = [[m['name'] for m in URL_ARGUMENT_PATTERN.finditer(rule.rule)] for rule in rules]
    common = [_common_name(set(each)) for each in zip(*arguments, strict=True)]
    for rule, own in zip(rules, arguments, strict=True):
        path = _form(rule).replace('{}', '{{{}}}').format(*common)
        yield rule, DocumentedPath(path, dict(zip(own, common, strict=True)))


def _common_name(names: set[str]) -> str:
    """Return the common beginning of names: `user` for `user_id` and `username`."""
    first, last = min(names), max(names)
    if first == last:
        return first
    common = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return ''.join(char for char, _ in common).rstrip('_') or NAMELESS
