"""Functions that call every list route with one row and with fifty.

They find the routes and the factories (`tests/<feature>/factories.py`) themselves, so a new route
needs no code here. The caller owns all rows that they make: those of the list, and the objects to
which the URL refers, such as the file in `/files/<uuid:file_id>/versions`.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib import import_module
from inspect import unwrap
from typing import Any, NamedTuple

from flask import Flask
from sqlalchemy import inspect
from werkzeug.routing import Rule

from project.core.database.keyset_pagination import Keyset
from project.core.database.session import Base, atomic
from project.core.database.sql_tables import tables_in
from project.core.registration import feature_of, is_in_project
from project.core.web.endpoints.endpoint_spec import ENDPOINT_SPECS, handler_of
from tests.factories import ModelFactory

ROWS = 50
OWNERS = ('owner', 'user')


class ListRoute(NamedTuple):
    """A route that returns a list, and its feature.

    :param is_paged: whether the route returns the list in pages (`limit=50`).
    """

    rule: Rule
    feature: str
    is_paged: bool

    def __str__(self) -> str:
        return f'GET {self.rule.rule}'


def list_routes(app: Flask) -> Iterator[ListRoute]:
    """Yield all routes of features that return a list."""
    for (endpoint, method), spec in ENDPOINT_SPECS.of(app).items():
        if method == 'GET' and (spec.many or spec.is_list):
            module = unwrap(handler_of(app.view_functions[endpoint], method)).__module__
            for rule in app.url_map.iter_rules(endpoint):
                if is_in_project(module) and method in (rule.methods or ()):
                    yield ListRoute(rule, feature_of(module), spec.is_list)


def factories_of(feature: str) -> dict[type, type[ModelFactory]]:
    """Return the factory of each model of a feature, by model.

    If `File` has several factories, this is `FileFactory`.
    """
    try:
        module = import_module(f'tests.{feature}.factories')
    except ModuleNotFoundError:
        return {}
    found: dict[type, type[ModelFactory]] = {}
    for name, value in vars(module).items():
        model = value._meta.model if _is_factory(value) else None
        if model and (model not in found or name == f'{model.__name__}Factory'):
            found[model] = value
    return found


def _is_factory(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, ModelFactory)


def models_in(keysets: list[Keyset[Any]], statements: list[str], feature: str) -> list[type]:
    """Return the models whose rows a list route returns.

    :param keysets: the `Keyset` of each list of which the route has read a page. If there are none,
        the result is all models of the feature whose tables are in `statements`.
    :param statements: the SQL statements that the route has executed.
    """
    if keysets:
        return [keyset.key.class_ for keyset in keysets]
    tables = {table for sql in statements for table in tables_in(sql)}
    return [
        mapper.class_
        for mapper in Base.registry.mappers
        if str(mapper.local_table) in tables and feature_of(mapper.class_.__module__) == feature
    ]


def make_rows(
    route: ListRoute, model: type, related: dict[str, Any], number: int, caller: Any
) -> None:
    """Make rows of a model that belong to the caller.

    :param related: the objects to which the URL refers: `{'file': file}` for `<uuid:file_id>`.
    """
    factory = factories_of(feature_of(model.__module__)).get(model)
    assert factory is not None, (
        f'{route} lists {model.__name__}, which has no factory. Remedy: add '
        f'{model.__name__}Factory to tests/{feature_of(model.__module__)}/factories.py.'
    )
    arguments = arguments_of(factory, {**related, **owned_by(model, caller)})
    # One transaction takes half the time of fifty. But if a factory calls a service, the service
    # begins its own transactions.
    is_plain = factory._create.__func__ is ModelFactory._create.__func__
    with atomic() if is_plain else nullcontext():
        factory.create_batch(number, **arguments)


def owned_by(model: type, caller: Any) -> dict[str, Any]:
    """Return the caller as the owner of a new row, by the name that the model uses for its owner.

    For a model with a column `user_id`, such as `Session`, the result is `{'user': caller}`; with a
    column `owner_id`, it is `{'owner': caller}`. `arguments_of` turns it into `{'user_id': 7}` if
    the factory has no argument `user`.
    """
    columns = inspect(model).columns
    return {name: caller for name in OWNERS if f'{name}_id' in columns}


def arguments_of(factory: type[ModelFactory], related: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with which a factory makes a row that refers to these objects.

    For `{'owner': ada}` this is `{'owner': ada}` if the factory declares `owner`. Otherwise it is
    `{'owner_id': ada.id}` if the model has this column, else nothing.
    """
    declared = {*factory._meta.declarations, *factory._meta.parameters}
    columns = inspect(factory._meta.model).columns
    given = {name: related[name] for name in related if name in declared}
    return given | {
        f'{name}_id': value.id
        for name, value in related.items()
        if name not in declared and f'{name}_id' in columns
    }


def make_related(route: ListRoute, caller: Any) -> dict[str, Any]:
    """Make the objects to which a URL refers: `{'file': file}` for `<uuid:file_id>`."""
    made = {}
    for argument in sorted(route.rule.arguments):
        name = argument.removesuffix('_id')
        if name in (*OWNERS, 'username'):
            made[name] = caller
            continue
        named = {f.__name__: f for f in factories_of(route.feature).values()}
        wanted = ''.join(word.title() for word in name.split('_')) + 'Factory'
        assert wanted in named, (
            f'{route} needs an object for <{argument}>. Remedy: add {wanted} to '
            f'tests/{route.feature}/factories.py.'
        )
        factory = named[wanted]
        made[name] = factory(**arguments_of(factory, owned_by(factory._meta.model, caller)))
    return made


def url_of(app: Flask, route: ListRoute, related: dict[str, Any]) -> str:
    """Return the URL of a route.

    :param related: the objects to which the URL refers; see `make_related`.
    """
    values = {}
    for argument in route.rule.arguments:
        value = related[argument.removesuffix('_id')]
        values[argument] = getattr(value, 'username' if argument == 'username' else 'id')
    url = app.url_map.bind('localhost').build(route.rule.endpoint, values)
    return f'{url}?limit={ROWS}' if route.is_paged else url


def ensure_same_statements(
    name: str, count: Callable[[], tuple[int, list[str]]], make: Callable[[int], None]
) -> None:
    """Ensure that a list of 50 rows executes as many statements as a list of one row.

    :param name: the name of the route, for messages.
    :param count: a function that calls the route; returns the number of rows in the response, and
        the executed statements.
    :param make: a function that makes this number of further rows.
    """
    rows, _ = count()
    if not rows:
        make(1)
        rows, _ = count()
    _, for_few = count()
    make(ROWS - rows)
    found, for_many = count()
    assert (bool(rows), found) == (True, ROWS), (
        f'{name} shows {found} of {ROWS} rows that the factory has made. Remedy: the factory must '
        f'make rows that a list shows, and accept their owner as {" or ".join(OWNERS)}.'
    )
    repeated = [sql for sql in set(for_many) if for_many.count(sql) > for_few.count(sql)]
    assert len(for_few) == len(for_many), (
        f'{name} executes {len(for_few)} statements for {rows} rows and {len(for_many)} for {ROWS}.'
        ' Remedy: load related rows with one statement for the whole page. Repeated:\n'
        + '\n'.join(repeated)
    )
