"""Rules for the OpenAPI document, which linters do not check: names and descriptions."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from project.core.web.openapi.operation_ids import find_id_faults

Document = Mapping[str, Any]

DESCRIBE = "add metadata={'description': …}"
LIST_SUFFIX = 'ListResponse'


def find_openapi_faults(document: Document) -> Iterator[str]:
    """Yield a line for each wrong operation id, and for each part without a description."""
    operations = [
        (f'{method.upper()} {path}', method, operation)
        for path, methods in document['paths'].items()
        for method, operation in methods.items()
    ]
    yield from _faults_of_ids(operations)
    for route, _, operation in operations:
        yield from _faults_of_operation(route, operation)
    for name, schema in document['components']['schemas'].items():
        yield from _faults_of_schema(name, schema)
    for tag in document['tags']:
        if not tag['description']:
            yield f'the package of {tag["name"]} has no docstring'


def _faults_of_ids(operations: list[tuple[str, str, Document]]) -> Iterator[str]:
    # Some generators make file names of the ids, without upper case.
    count = Counter(operation['operationId'].lower() for _, _, operation in operations)
    for route, method, operation in operations:
        identifier = operation['operationId']
        faults = find_id_faults(identifier, method, is_list=_is_list(operation))
        if count[identifier.lower()] > 1:
            faults.append('is used more than once')
        for fault in faults:
            yield f'{route}: the operation id {identifier} {fault}: set operation_id in @endpoint'


def _is_list(operation: Document) -> bool:
    content = operation['responses'].get('200', {}).get('content', {})
    schema = content.get('application/json', {}).get('schema', {})
    return bool(schema.get('$ref', '').endswith(LIST_SUFFIX))


def _faults_of_operation(route: str, operation: Document) -> Iterator[str]:
    if not operation['summary']:
        yield f'{route}: the handler has no docstring'
    for parameter in operation['parameters']:
        if not parameter.get('description'):
            remedy = "arguments={…: {'description': …}}" if parameter['in'] == 'path' else DESCRIBE
            yield f'{route}: the parameter {parameter["name"]} has no description: {remedy}'


def _faults_of_schema(name: str, schema: Document) -> Iterator[str]:
    if not schema.get('description'):
        yield f'the schema {name} has no docstring'
    for key, part in schema.get('properties', {}).items():
        # The description of a reference is that of the schema to which it refers.
        if not part.get('description') and '$ref' not in part:
            yield f'the property {key} of the schema {name} has no description: {DESCRIBE}'
