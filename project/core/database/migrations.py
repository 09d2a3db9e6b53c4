"""Migrations: each feature has its own Alembic branch and folder.

So teams do not share one head. `migrations/env.py` splits a generated migration by feature. This
module has the functions for `env.py` and for the `flask db` commands.
"""

import re
from collections.abc import Iterable
from os import pathsep
from pathlib import Path
from typing import Any

import click
from alembic.config import Config
from flask import Flask
from flask_migrate import Migrate, downgrade
from flask_migrate.cli import db as db_commands
from sqlalchemy import inspect

from .session import Base, db

ROOT = Path(__file__).resolve().parents[3]
VERSIONS = ROOT / 'migrations' / 'versions'

migrate = Migrate(db=db, directory=str(ROOT / 'migrations'))


def init_app(app: Flask) -> None:
    """Register `flask db` with an application."""
    migrate.init_app(
        app, render_as_batch=app.config['SQLALCHEMY_DATABASE_URI'].startswith('sqlite')
    )
    for name in ('upgrade', 'stamp'):
        [argument] = [p for p in db_commands.commands[name].params if p.name == 'revision']
        # The default of Flask-Migrate is `head`, which means a single head; here each feature has
        # its own.
        argument.default = 'heads'
    for name in ('revision', 'migrate', 'merge'):
        [option] = [p for p in db_commands.commands[name].params if p.name == 'rev_id']
        option.callback = reject_known_revision


def reject_known_revision(_context: Any, _option: Any, value: str | None) -> str | None:
    """Check the option `--rev-id`: no migration may have this revision id yet. Return the id.

    :raises BadParameter: if a migration has this id: Alembic would overwrite its file.
    """
    if value:
        pattern = re.compile(rf'^revision = .{re.escape(value)}.$', re.MULTILINE)
        for path in sorted(VERSIONS.glob('*/*.py')):
            if pattern.search(path.read_text(encoding='utf-8')):
                raise click.BadParameter(f'{path.relative_to(ROOT)} has the revision {value}')
    return value


@migrate.configure  # type: ignore[untyped-decorator]
def locate_versions(config: Config) -> Config:
    """Set the migration folders of all features, even of those without a migration yet."""
    folder = Path(config.get_main_option('script_location', '')) / 'versions'
    # The folders also include those of features whose code was deleted, but whose tables still
    # exist.
    names = features() | {path.name for path in folder.iterdir() if path.is_dir()}
    names.discard('__pycache__')
    config.set_main_option(
        'version_locations', pathsep.join(str(folder / n) for n in sorted(names))
    )
    return config


def features() -> set[str]:
    """Return the names of the features (and `core`) that have tables."""
    return set(tables().values())


def tables() -> dict[str, str]:
    """Return the feature of each table.

    The feature is the package in `project` that has the model.
    """
    modules = {m.local_table: m.class_.__module__ for m in Base.registry.mappers}
    return {str(table): module.split('.')[1] for table, module in modules.items()}


def is_kept(table: str) -> bool:
    """Return whether a table belongs to a removed feature whose migrations are kept.

    Then it has no model, but it is not deleted either.
    """
    return table not in tables() and any(
        table == name or table.startswith(f'{name}_') for name in kept_features()
    )


def kept_features() -> set[str]:
    """Return the names of the removed features whose migrations, and so whose tables, are kept."""
    folders = {path.name for path in VERSIONS.iterdir() if any(path.glob('*.py'))}
    return {name for name in folders if not (ROOT / 'project' / name).is_dir()}


def tables_of(feature: str) -> list[str]:
    """Return the names of a feature's tables."""
    return sorted(table for table, owner in tables().items() if owner == feature)


def existing_tables(names: Iterable[str]) -> list[str]:
    """Return the names of those given tables that exist in the current database."""
    return sorted({*names} & {*inspect(db.engine).get_table_names()})


def downgrade_feature(feature: str) -> None:
    """Delete the tables of a feature in the current database, as `flask db downgrade` does."""
    downgrade(revision=f'{feature}@base')
