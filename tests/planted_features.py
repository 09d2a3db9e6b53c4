"""Functions that register names for two invented features, `zz_bill` and `zz_mail`."""

from types import SimpleNamespace
from typing import Any

from flask import Blueprint
from sqlalchemy import Column, Integer, MetaData, Table
from sqlalchemy.orm import DeclarativeBase

from project import api
from project.core.database.keyset_pagination import Keyset
from project.core.table_owners import validate_tables
from project.core.tasks.registry import task
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.endpoint_spec import ENDPOINT_SPECS, collect_endpoint_specs
from project.core.web.endpoints.route_owners import validate_owners
from project.core.web.endpoints.schema_names import validate_schema_names
from project.users.personal_data import ExportFile, register_personal_data

# Modules of the invented features. `zz_bill` does not require `zz_mail`.
BILL, MAIL = 'project.zz_bill.service', 'project.zz_mail.service'
LETTERS = Table('zz_mail_letters', MetaData(), Column('id', Integer, primary_key=True))


def run(module: str, code: str, **names: Any) -> dict[str, Any]:
    """Run code as if it was in a module with this name; return the names that it defines.

    :param names: values that the code can use.
    """
    known = {'__name__': module, **names}
    exec(compile(code, module, 'exec'), known)
    return known


def define_list(module: str, name: str) -> None:
    """Define a list (`Keyset`) as the models of a feature do."""
    code = "Keyset(None, name, sorts={'id': column}, key=column, default='id')"
    run(module, code, Keyset=Keyset, name=name, column=LETTERS.c.id)


def add_task(module: str, name: str | None) -> Any:
    """Define a task as the services of a feature do; return its function."""
    code = "@task(idempotent='yes', name=name)\ndef deliver():\n    pass"
    return run(module, code, task=task, name=name)['deliver']


def route(module: str, blueprint: Blueprint, path: str, **declared: Any) -> None:
    """Add a route whose handler is in a module of a feature."""
    code = 'def show(**_):\n    pass'
    handler = endpoint(**{'allow': public, **declared})(run(module, code)['show'])
    blueprint.add_url_rule(path, 'show', handler)


def start(world: Any, *blueprints: Blueprint) -> None:
    """Register blueprints below `/api/v1`, and validate all routes."""
    for blueprint in blueprints:
        world.app.register_blueprint(blueprint, url_prefix=f'/api/v1{blueprint.url_prefix or ""}')
    ENDPOINT_SPECS.set(world.app, collect_endpoint_specs(world.app))
    validate_owners(world.app)
    validate_schema_names(world.app)


def mount(world: Any, **blueprints: Blueprint) -> None:
    """Mount blueprints as the API does, as if they were those of all features."""
    packages = {name: SimpleNamespace(blueprint=found) for name, found in blueprints.items()}
    world.monkeypatch.setattr(api, 'PACKAGES', packages)
    api.api_v1()


def define_table(base: Any, module: str, name: str, **columns: Any) -> Any:
    """Define a model of a feature."""
    known = {'__tablename__': name, '__module__': module, 'id': Column(Integer, primary_key=True)}
    return type('Model', (base,), {**known, **columns})


def new_base() -> Any:
    """Return a base class with its own tables."""
    return type('Base', (DeclarativeBase,), {'metadata': MetaData()})


def validate(base: Any) -> None:
    """Validate the tables of a base class."""
    validate_tables(base.metadata, base.registry.mappers)


def register_data(feature: str, tables: dict[str, str | None], *files: ExportFile) -> None:
    """Register personal data as `zz_bill` does, with the files of its export."""
    erase = run(BILL, 'def erase(user_id): ...')['erase']
    register_personal_data(feature, tables=tables, export=lambda _: files)(erase)
