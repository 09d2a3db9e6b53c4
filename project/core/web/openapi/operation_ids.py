"""Operation ids: `listFiles`, `getFile`. Generated clients use them as the names of methods.

An id is a verb and its object. By default it follows from the name of the handler or, for a
`MethodView`, from the endpoint and the method. `@endpoint(operation_id=…)` sets another one.
"""

import re

from project.core.web.endpoints.endpoint_spec import EndpointSpec

PATTERN = re.compile(r'(?P<verb>[a-z]+)(?:[A-Z][a-z0-9]*)+')

# Only these verbs are used for methods that change nothing.
READING_VERBS = ('list', 'get', 'download', 'head')

VERBS_OF_METHODS = {
    'GET': 'get', 'HEAD': 'head', 'POST': 'create', 'PUT': 'replace', 'PATCH': 'update',
    'DELETE': 'delete', 'OPTIONS': 'describe',
}  # fmt: skip


def operation_id(endpoint: str, method: str, spec: EndpointSpec, *, is_view: bool) -> str:
    """Return the id of an operation.

    :param endpoint: the Flask endpoint, such as `api_v1.files.file`.
    :param is_view: whether the endpoint is a `MethodView`, so that one name has several methods.
    """
    name = endpoint.rsplit('.', 1)[-1]
    if spec.operation_id:
        found = spec.operation_id
    elif is_view:
        found = _id_of_view(name, method, spec)
    else:
        found = _id_of_function(name, spec)
    if method == 'HEAD' and not found.startswith('head'):
        # HEAD is the same handler as GET.
        return re.sub('^[a-z]+', 'head', found)
    return found


def find_id_faults(identifier: str, method: str, *, is_list: bool) -> list[str]:
    """Return the faults of an operation id; ADR 55 has the rules.

    :param is_list: whether the response is a page of a list.
    """
    match = PATTERN.fullmatch(identifier)
    if match is None:
        return ['must be a verb and an object, such as getFile']
    verb = match['verb']
    if is_list != (verb == 'list'):
        return ['must begin with `list`' if is_list else 'begins with `list`, but is not a list']
    if is_list and not identifier.endswith('s'):
        return ['must end with a plural, such as listFiles']
    if (verb in READING_VERBS) != (method in ('get', 'head')):
        verbs = ', '.join(READING_VERBS)
        return [f'must begin with one of {verbs} if and only if the method is GET or HEAD']
    return []


def _id_of_view(name: str, method: str, spec: EndpointSpec) -> str:
    verb = 'list' if spec.is_list else VERBS_OF_METHODS[method]
    if verb == 'create' and spec.location:
        # The endpoint of the list has a plural name, and that of the created object a singular.
        name = spec.location[0].rsplit('.', 1)[-1]
    return verb + _pascal(name)


def _id_of_function(name: str, spec: EndpointSpec) -> str:
    noun, _, verb = name.rpartition('_')
    if spec.is_list:
        return f'list{_pascal(_plural(noun))}'
    if verb == 'show':
        verb = 'download' if spec.produces else 'get'
    return verb + _pascal(noun)


def _plural(noun: str) -> str:
    if noun.endswith('y') and noun[-2:-1] not in 'aeiou':
        return f'{noun[:-1]}ies'
    return f'{noun}es' if noun.endswith(('s', 'x', 'ch', 'sh')) else f'{noun}s'


def _pascal(name: str) -> str:
    return ''.join(word.capitalize() for word in name.split('_'))
