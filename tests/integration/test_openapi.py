"""Rules for the OpenAPI document of all features: examples, and paths that look ambiguous."""

import re
from itertools import combinations

from project.core.web.endpoints.schema_names import schema_name
from project.core.web.openapi.document import specification
from project.core.web.openapi.examples import example_of
from project.core.web.openapi.operations import URL_ARGUMENT_SCHEMAS
from project.core.web.openapi.paths import documented_rules
from project.core.web.routing import URL_ARGUMENT_PATTERN


class TestExamples:
    def test_fit_their_schemas(self, app):
        bodies = {spec.body for spec in app.extensions['endpoint_specs'].values() if spec.body}

        for schema in bodies:
            schema().load(example_of(schema))
        assert len(bodies) > 3


def schemas_in(value):
    """Yield each JSON Schema in a part of the document."""
    if isinstance(value, dict):
        if isinstance(value.get('type'), str | list):
            yield value
        for inner in value.values():
            yield from schemas_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from schemas_in(inner)


class TestSchemas:
    def test_give_each_number_a_format(self, app):
        numbers = [
            schema
            for schema in schemas_in(specification(app))
            if {'integer', 'number'} & {*([t] if isinstance(t := schema['type'], str) else t)}
        ]

        assert [schema for schema in numbers if 'format' not in schema] == []
        assert len(numbers) > 20

    def test_close_requests_and_leave_responses_open(self, app):
        specs = app.extensions['endpoint_specs'].values()
        # Forms are open: upload widgets send additional fields.
        requests = {schema_name(spec.body) for spec in specs if spec.body}

        found = specification(app)['components']['schemas']

        closed = {name for name, each in found.items() if each.get('additionalProperties') is False}
        assert closed == requests


class TestPaths:
    def test_that_look_ambiguous_differ_in_a_value_that_the_argument_rejects(self, app):
        specs, rules = app.extensions['endpoint_specs'], documented_rules(app)
        crossing = [
            (left, right)
            for (left, _), (right, _) in combinations(rules, 2)
            if crosses(left, right) and crosses(right, left) and overlaps(left, right)
        ]

        assert all(is_rejected(a, b, specs) or is_rejected(b, a, specs) for a, b in crossing)
        assert crossing


def segments(rule):
    return [
        (None, part) if not (match := URL_ARGUMENT_PATTERN.fullmatch(part)) else (match, part)
        for part in rule.rule.split('/')
    ]


def pairs(left, right):
    lefts, rights = segments(left), segments(right)
    return list(zip(lefts, rights, strict=True)) if len(lefts) == len(rights) else []


def crosses(left, right):
    """Return whether a rule has an argument where another has a literal."""
    return any(mine and not theirs for (mine, _), (theirs, _) in pairs(left, right))


def overlaps(left, right):
    return all(a or b or mine == theirs for (a, mine), (b, theirs) in pairs(left, right))


def is_rejected(left, right, specs):
    """Return whether an argument of the left rule rejects a literal of the right rule."""
    [spec, *_] = [spec for (endpoint, _), spec in specs.items() if endpoint == left.endpoint]
    return any(
        not accepts(argument, literal, spec)
        for (argument, _), (other, literal) in pairs(left, right)
        if argument and not other
    )


def accepts(argument, literal, spec):
    """Return whether a URL argument accepts a text."""
    kind = argument['kind'] or 'string'
    schema = URL_ARGUMENT_SCHEMAS[kind] | spec.arguments.get(argument['name'], {})
    if kind in ('int', 'uuid'):
        return literal.isdigit() or bool(re.fullmatch('[0-9a-f-]{36}', literal))
    excluded = schema.get('not', {}).get('enum', ())
    return literal not in excluded and bool(re.search(schema.get('pattern', ''), literal))
