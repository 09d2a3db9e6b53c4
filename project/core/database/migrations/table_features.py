"""The feature of each table: that of its model, or the one with whose name the table begins."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import inspect

from project.core.database.session import Base, db
from project.core.registration import owner_of_name

ROOT = Path(__file__).resolve().parents[4]
VERSIONS = ROOT / 'migrations' / 'versions'


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


def is_foreign(table: str) -> bool:
    """Return whether a table belongs to no feature, such as a table of a PostgreSQL extension."""
    return table not in tables() and owner_of_name(table, migrated_features()) is None


def migrated_features() -> set[str]:
    """Return the names of the features (and `core`) that have migrations or tables."""
    return features() | {path.name for path in VERSIONS.iterdir() if any(path.glob('*.py'))}


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
