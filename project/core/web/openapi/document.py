"""Generation of the OpenAPI document (OpenAPI 3.1) from the endpoint specs."""

from itertools import groupby
from typing import Any, NamedTuple, cast

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask, current_app
from marshmallow import Schema
from werkzeug.routing import Rule

from project.core.app_values import AppValue
from project.core.security.permissions import permission_descriptions
from project.core.value_codec import encode
from project.core.web.endpoints.endpoint_spec import ENDPOINT_SPECS, declared_methods
from project.core.web.endpoints.schema_names import schema_name

from .descriptions import share_descriptions
from .envelopes import Envelopes, add_error_schemas
from .headers import add_common_headers, has_ranges
from .operations import Operation, merged, operation_of
from .paths import DocumentedPath, documented_rules
from .responses import add_common_responses
from .schemas import (
    PERMISSION,
    add_number_formats,
    complete_schema,
    configured_converter,
    permission_schema,
    replace_permission_names,
    request_schemas,
)
from .tags import tags

TITLE = 'Large Flask API'
INFO = {
    'description': 'User accounts and file storage. JSON responses are strict JSend.',
    'contact': {'name': f'The operators of {TITLE}'},
    'license': {'name': 'MIT', 'identifier': 'MIT'},
}


class Generated(NamedTuple):
    """The OpenAPI document, and the origin of its parts.

    :param schema_modules: the module that defines each schema.
    :param paths: the path of each URL rule, by the text of the rule.
    """

    document: dict[str, object]
    schema_modules: dict[str, str]
    paths: dict[str, str]


GENERATED: AppValue[Generated] = AppValue('openapi')


def specification(app: Flask | None = None) -> dict[str, object]:
    """Return the OpenAPI document of all routes. It is generated once per application."""
    return _generated(app).document


def schema_modules(app: Flask | None = None) -> dict[str, str]:
    """Return the module that defines each schema of the document, by the name of the schema."""
    return _generated(app).schema_modules


def operations_at(rule: Rule, app: Flask | None = None) -> dict[str, Operation]:
    """Return the operations of the path of a URL rule, by method."""
    found = _generated(app)
    paths: dict[str, Any] = cast(dict[str, Any], found.document['paths'])
    operations: dict[str, Operation] = paths[found.paths[rule.rule]]
    return operations


def documented_methods(rule: Rule, app: Flask | None = None) -> set[str]:
    """Return the methods of a URL rule that the document describes.

    HEAD is described only if the route supports ranges or has no GET.
    """
    methods, specs = declared_methods(rule), ENDPOINT_SPECS.of(app or current_app)
    if {'GET', 'HEAD'} <= methods and not has_ranges(specs[rule.endpoint, 'HEAD']):
        methods -= {'HEAD'}
    return methods


def _generated(app: Flask | None) -> Generated:
    app = app or current_app
    if not GENERATED.is_set(app):
        GENERATED.set(app, _build(app))
    return GENERATED.of(app)


def _build(app: Flask) -> Generated:
    plugin = MarshmallowPlugin(schema_name_resolver=schema_name)
    api_spec = APISpec(
        title=TITLE,
        version='1.0.0',
        openapi_version='3.1.0',
        plugins=[plugin],
        info=INFO,
        servers=[{'url': '/'}],
    )
    converter = configured_converter(plugin)
    assert plugin.resolver is not None  # noqa: S101 - APISpec has created it
    envelopes = Envelopes(api_spec, plugin.resolver)
    _add_components(api_spec)
    rules = documented_rules(app)
    for path, group in groupby(rules, key=lambda each: each[1].path):
        api_spec.path(path=path, operations=_operations(app, list(group), envelopes))
    classes = {name: key[0] for key, name in converter.refs.items()}
    modules = {name: kind.__module__ for name, kind in classes.items()} | envelopes.modules
    paths = {rule.rule: path.path for rule, path in rules}
    return Generated(_completed(app, api_spec, classes), modules, paths)


def _operations(
    app: Flask, rules: list[tuple[Rule, DocumentedPath]], envelopes: Envelopes
) -> dict[str, Operation]:
    """Return the operations of the URL rules with the same path, by method."""
    found: dict[str, Operation] = {}
    for rule, path in rules:
        for method in sorted(documented_methods(rule, app)):
            key, operation = method.lower(), operation_of(app, rule, method, path, envelopes)
            found[key] = merged(found[key], operation) if key in found else operation
    return found


def _add_components(api_spec: APISpec) -> None:
    api_spec.components.security_scheme('bearer', {'type': 'http', 'scheme': 'bearer'})
    add_error_schemas(api_spec)
    add_common_headers(api_spec)
    add_common_responses(api_spec)
    api_spec.components.schema(PERMISSION, permission_schema())
    api_spec.options['x-permissions'] = permission_descriptions()


def _completed(app: Flask, api_spec: APISpec, classes: dict[str, type[Schema]]) -> dict[str, Any]:
    # The limits of `Range` validators are Python values, such as dates and durations: convert them
    # to JSON.
    document = cast(dict[str, Any], encode(api_spec.to_dict()))
    specs = ENDPOINT_SPECS.of(app).values()
    requests = request_schemas(schema for spec in specs for schema in (spec.body, spec.form))
    for name, kind in classes.items():
        schema = document['components']['schemas'][name]
        complete_schema(schema, kind, is_request=name in requests)
    replace_permission_names(document)
    share_descriptions(document)
    add_number_formats(document)
    document['tags'] = list(tags(app))
    return document
