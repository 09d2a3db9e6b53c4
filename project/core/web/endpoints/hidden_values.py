"""Check that fixed paths do not make values of URL arguments unreachable.

For example, if there are routes `/users/export` and `/users/<username>`, no request could reach a
user with the name `export`. So the declared schema of the argument `username` must exclude this
word.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from .endpoint_spec import ENDPOINT_SPECS, EndpointSpec, Route

# `<name>` and `<string:name>`. Other converters, such as `<int:…>`, do not match words.
TEXT_ARGUMENT_PATTERN = re.compile(r'<(?:string:)?(\w+)>')


class HiddenValue(Exception):
    """A fixed path makes a value of a URL argument unreachable. The service does not start.

    For example, `/users/export` hides the user `export` of `/users/<username>`.
    """


def validate_arguments(app: Flask) -> None:
    """Check the text arguments in the URLs of all routes, after all routes are registered.

    :raises HiddenValue: if the path of a route contains a word where another route has an argument
        that allows this word. The message names both routes.
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
    """Return the word that the URL of another rule has at the position of an argument, or None.

    For `/users/<username>` and `/users/export`, the word is `export`.
    """
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
