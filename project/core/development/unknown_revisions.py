"""Migrations that the database has, but this code does not have.

In development, a database often has the migrations of another git branch. Alembic then ends each
command with `Can't locate revision`. The functions of this module find the branch and undo its
migrations. In production, newer code has migrated the database.
"""

import shutil
from collections.abc import Iterable
from functools import cache
from os import pathsep
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from project.core.database.migrations import migrate
from project.core.database.migrations.files import revision_pattern, revisions_in_files
from project.core.database.migrations.table_features import ROOT, VERSIONS
from project.core.database.session import db
from project.core.git_repository import find_on_branches

from . import DevelopmentError
from .branch_migrations import BranchMigration, ancestors, read_migrations

FOLDER = 'migrations/versions'


class RevisionNotFound(DevelopmentError):
    """No git branch has a migration of the database. The message is one line with its revision."""


def find_unknown_revisions() -> list[str]:
    """Return the revisions of the database for which this code has no migration, sorted.

    :returns: an empty list also if the database does not respond.
    """
    try:
        heads = MigrationContext.configure(db.session.connection()).get_current_heads()
    except SQLAlchemyError:
        return []
    return sorted(set(heads) - revisions_in_files().keys()) if heads else []


def explain_unknown_revisions() -> str | None:
    """Return one line that names unknown revisions, their branch and the remedies, or None."""
    if not (revisions := find_unknown_revisions()):
        return None
    return _explanation(tuple(revisions), is_development=current_app.config['DEVELOPMENT'])


@cache
def _explanation(revisions: tuple[str, ...], *, is_development: bool) -> str:
    branches: dict[str, list[str]] = {}
    for revision in revisions:
        branch, path = _place_of(revision)
        branches.setdefault(branch, []).append(path or revision)
    places = [
        f'{", ".join(names)} ({f"git branch {branch}" if branch else "on no git branch"})'
        for branch, names in branches.items()
    ]
    if not is_development:
        remedy = 'run the version of the code that has them'
    elif '' in branches:
        remedy = 'to delete all data: flask db reset'
    else:
        remedy = 'to undo them: flask db prune; to delete all data: flask db reset'
    return f'the database has migrations that this code lacks: {"; ".join(places)}; {remedy}'


def _place_of(revision: str) -> tuple[str, str]:
    """Return the newest branch with a migration, and its path; empty texts if there is none."""
    pattern = revision_pattern(revision)
    return next(iter(find_on_branches(pattern, FOLDER, root=ROOT)), ('', ''))


def find_unknown_migrations() -> list[BranchMigration]:
    """Return the migrations of the database that this code lacks, children before parents.

    Their files are read from git branches, and their code does not run.

    :raises RevisionNotFound: if no git branch has one of them.
    """
    known = set(revisions_in_files())
    unknown = find_unknown_revisions()
    found: dict[str, BranchMigration] = {}
    for revision in unknown:
        branch, _ = _place_of(revision)
        migrations = read_migrations(branch, FOLDER) if branch else {}
        if revision not in migrations:
            raise RevisionNotFound(f'no git branch has the migration {revision}: flask db reset')
        found |= migrations
    return ancestors(unknown, found, known=known)


def features_of_unknown_migrations() -> set[str]:
    """Return the features of the migrations that this code lacks; empty if no branch has them."""
    try:
        found = find_unknown_migrations()
    except RevisionNotFound:
        return set()
    return {Path(migration.path).relative_to(FOLDER).parts[0] for migration in found}


def undo_migrations(migrations: Iterable[BranchMigration]) -> None:
    """Undo the result of `find_unknown_migrations`. This runs the code of these migrations.

    :raises RevisionNotFound: if a migration cannot be undone.
    """
    with TemporaryDirectory(prefix='migrations-') as folder:
        versions = Path(folder) / 'versions'
        shutil.copytree(VERSIONS, versions, ignore=shutil.ignore_patterns('__pycache__'))
        for migration in migrations:
            target = versions / Path(migration.path).relative_to(FOLDER)
            target.parent.mkdir(exist_ok=True)
            if target.exists():  # Another migration of the work tree has the name.
                target = target.with_stem(f'{target.stem}_{migration.revision}')
            target.write_text(migration.text, encoding='utf-8')
        # At run time, Flask-Migrate's `Config` inherits Alembic's. Its type stubs lack the base.
        config: Any = migrate.get_config()
        folders = (str(path) for path in sorted(versions.iterdir()) if path.is_dir())
        config.set_main_option('version_locations', pathsep.join(folders))
        _downgrade_to_known(config)


def _downgrade_to_known(config: Config) -> None:
    """Downgrade the database until it has only migrations of the work tree."""
    script = ScriptDirectory.from_config(config)
    known = set(revisions_in_files())
    undone: set[str] = set()
    while unknown := find_unknown_revisions():
        if set(unknown) <= undone:
            raise RevisionNotFound(f'the migration {unknown[0]} cannot be undone: flask db reset')
        for revision in unknown:
            # An earlier downgrade may have undone this revision, too.
            if revision in find_unknown_revisions():
                command.downgrade(config, _target_below(script, revision, known))
        undone |= set(unknown)


def _target_below(script: ScriptDirectory, revision: str, known: Iterable[str]) -> str:
    """Return the newest known ancestor of a revision, or else the base, as a target of Alembic.

    The target begins with the revision: other branches of its ancestor are not undone.
    """
    found = script.get_revision(revision)
    while found is not None and found.down_revision:
        below = found.down_revision
        names = [below] if isinstance(below, str) else list(below)
        if common := [name for name in names if name in known]:
            return f'{revision}@{common[0]}'
        found = script.get_revision(names[0])
    return f'{revision}@base'
