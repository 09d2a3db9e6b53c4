"""Tags of operations: each feature is a tag, and its description is that of its package."""

import inspect
import sys
from collections.abc import Iterator

from flask import Flask
from werkzeug.routing import Rule

# The tag of routes that no feature defines, such as `/healthz`.
CORE_TAG = 'service'
CORE_TEXT = 'Health of the service, and the documentation of its API.'


def tag_of(rule: Rule) -> str:
    """Return the tag of a URL rule: the name of the blueprint of its feature."""
    parts = rule.endpoint.split('.')
    return parts[1] if len(parts) > 2 else CORE_TAG


def tags(app: Flask) -> Iterator[dict[str, str]]:
    """Yield the tags of all routes with their descriptions, sorted by name."""
    for name in sorted({tag_of(rule) for rule in app.url_map.iter_rules()}):
        yield {
            'name': name,
            'description': CORE_TEXT if name == CORE_TAG else _text_of(module_of_tag(app, name)),
        }


def module_of_tag(app: Flask, name: str) -> str:
    """Return the package of the feature with a tag."""
    if name == CORE_TAG:
        return __name__
    rule = next(rule for rule in app.url_map.iter_rules() if tag_of(rule) == name)
    return app.blueprints[rule.endpoint.rpartition('.')[0]].import_name


def _text_of(module: str) -> str:
    """Return the first line of the docstring of a feature, without its name."""
    [line, *_] = (inspect.getdoc(sys.modules[module]) or '').splitlines() or ['']
    _, separator, rest = line.partition(': ')
    text = rest if separator else line
    return text[:1].upper() + text[1:]
