"""The folders of migrations, and Alembic's object for all of them."""

from collections.abc import Iterator
from graphlib import TopologicalSorter
from os import pathsep
from pathlib import Path
from typing import Any

import click
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from flask_migrate import Migrate, downgrade

from project.core.database.session import db

from .files import revisions_in_files
from .table_features import ROOT, features

migrate = Migrate(db=db, directory=str(ROOT / 'migrations'))


def reject_known_revision(_context: Any, _option: Any, value: str | None) -> str | None:
    """Check the option `--rev-id`: no migration may have this revision id yet. Return the id.

    :raises BadParameter: if a migration has this id: Alembic would overwrite its file.
    """
    if value and (path := revisions_in_files().get(value)):
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


def script_directory() -> ScriptDirectory:
    """Return Alembic's object for the migrations of the current application."""
    config: Any = migrate.get_config()
    return ScriptDirectory.from_config(config)


def feature_of_migration(migration: Script) -> str:
    """Return the feature of a migration: the name of its folder."""
    return Path(migration.path).parent.name


def heads_by_feature(script: ScriptDirectory) -> dict[str, list[Script]]:
    """Return the newest migrations of each feature. There are several after a Git merge."""
    found: dict[str, list[Script]] = {}
    for head in script.get_revisions(script.get_heads()):
        if head is not None:
            found.setdefault(feature_of_migration(head), []).append(head)
    return found


def in_order(script: ScriptDirectory) -> Iterator[Script]:
    """Yield all migrations, each after those on which it depends."""
    found = {migration.revision: migration for migration in script.walk_revisions()}
    needs = {
        name: sorted(needed.revision for needed in needed_by(script, migration))
        for name, migration in sorted(found.items())
    }
    for name in TopologicalSorter(needs).static_order():
        yield found[name]


def needed_by(script: ScriptDirectory, migration: Script) -> list[Script]:
    """Return the migrations that Alembic runs directly before one: predecessors, dependencies."""
    names = [*_as_tuple(migration.down_revision), *_as_tuple(migration.dependencies)]
    return [found for found in script.get_revisions(names) if found is not None]


def _as_tuple(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def revisions_below_merge(feature: str) -> list[str]:
    """Return the revisions before the newest merge of a feature that the database has, sorted.

    :returns: an empty list if the database has no merge of the feature.
    """
    found = {each.revision: each for each in script_directory().walk_revisions()}
    names: tuple[str, ...] = tuple(
        head
        for head in MigrationContext.configure(db.session.connection()).get_current_heads()
        if head in found and feature_of_migration(found[head]) == feature
    )
    while len(names) == 1:
        names = _as_tuple(found[names[0]].down_revision)
    return sorted(names)


def downgrade_feature(feature: str) -> None:
    """Delete the tables of a feature in the current database, as `flask db downgrade` does."""
    downgrade(revision=f'{feature}@base')
