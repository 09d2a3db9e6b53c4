"""Check that no route hides a value of another route's URL argument.

For example, a route `/users/stats` would hide `/users/<username>` for the user `stats`: no request
could reach this user. So the schema of the argument `username` must exclude the word `stats`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from .endpoint_spec import ENDPOINT_SPECS, EndpointSpec, Route

# `<name>` and `<string:name>`. The converters of ids do not match words.
TEXT_ARGUMENT_PATTERN = re.compile(r'<(?:string:)?(\w+)>')


class HiddenValue(Exception):
    """A route hides a value of another route's URL argument. The service does not start."""


def validate_arguments(app: Flask) -> None:
    """Check the text arguments of all routes. Call it after all routes are registered.

    :raises HiddenValue: if a path segment is an allowed value of an argument; names both routes.
    """
    if faults := sorted(set(_faults(app, ENDPOINT_SPECS.of(app)))):
        raise HiddenValue('; '.join(faults))


def _faults(app: Flask, specs: Mapping[Route, EndpointSpec]) -> Iterator[str]:
    rules = list(app.url_map.iter_rules())
    for (endpoint, _), spec in specs.items():
        for rule in app.url_map.iter_rules(endpoint):
            for at, segment in enumerate(_segments(rule)):
                if match := TEXT_ARGUMENT_PATTERN.fullmatch(segment):
                    schema = spec.arguments.get(match[1], {})
                    for other in rules:
                        word = _word(rule, other, at)
                        if word and _is_allowed(word, schema):
                            yield (
                                f'{_name(app, other)} hides the {match[1]} {word!r} of '
                                f'{_name(app, rule)}: exclude it there'
                            )


def _word(rule: Rule, other: Rule, at: int) -> str | None:
    """Return the fixed word that another rule has in place of an argument, or None."""
    mine, theirs = _segments(rule), _segments(other)
    if len(theirs) <= at or '<' in theirs[at] or _form(mine[:at]) != _form(theirs[:at]):
        return None
    return theirs[at]


def _segments(rule: Rule) -> list[str]:
    return rule.rule.split('/')


def _form(segments: list[str]) -> list[str]:
    return ['<>' if '<' in segment else segment for segment in segments]


def _is_allowed(word: str, schema: Mapping[str, Any]) -> bool:
    excluded = schema.get('not', {}).get('enum', ())
    return (
        word not in excluded
        and word in schema.get('enum', (word,))
        and re.search(schema.get('pattern', ''), word) is not None
    )


def _name(app: Flask, rule: Rule) -> str:
    view = app.view_functions[rule.endpoint]
    handler = getattr(view, 'view_class', view)
    return f'{rule.rule} ({handler.__module__}.{handler.__qualname__})'
