"""Migrations that the database has, but this code does not have.

In development, a database often has the migrations of another git branch. Alembic then ends each
command with `Can't locate revision`. The functions of this module find the branch and undo its
migrations. In production, newer code has migrated the database.
"""

import re
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
from project.core.database.migrations.table_features import ROOT, VERSIONS
from project.core.database.session import db
from project.core.git_repository import find_on_branches, read_files

FOLDER = 'migrations/versions'
REVISION_PATTERN = re.compile(r'^revision(?:: str)? = [\'"](\w+)[\'"]', re.MULTILINE)


class RevisionNotFound(Exception):
    """No git branch has a migration of the database. The message is one line with its revision."""


def find_unknown_revisions() -> list[str]:
    """Return the revisions of the database for which this code has no migration, sorted.

    :returns: an empty list also if the database does not respond.
    """
    try:
        heads = MigrationContext.configure(db.session.connection()).get_current_heads()
    except SQLAlchemyError:
        return []
    return sorted(set(heads) - known_revisions()) if heads else []


def known_revisions() -> set[str]:
    """Return the revisions of the migrations in the work tree."""
    texts = (path.read_text(encoding='utf-8') for path in VERSIONS.glob('*/*.py'))
    return {match[1] for text in texts for match in REVISION_PATTERN.finditer(text)}


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
    pattern = rf'^revision(: str)? = .{re.escape(revision)}.$'
    return next(iter(find_on_branches(pattern, FOLDER, root=ROOT)), ('', ''))


def undo_unknown_migrations() -> list[str]:
    """Undo the migrations that this code lacks, with the files of their git branches.

    :returns: the revisions that were undone.
    :raises RevisionNotFound: if no git branch has the migration. Nothing is undone.
    """
    unknown = find_unknown_revisions()
    with TemporaryDirectory(prefix='migrations-') as folder:
        versions = Path(folder) / 'versions'
        shutil.copytree(VERSIONS, versions, ignore=shutil.ignore_patterns('__pycache__'))
        for revision in unknown:
            _add_files_of_branch(revision, versions)
        # At run time, Flask-Migrate's `Config` inherits Alembic's. Its type stubs lack the base.
        config: Any = migrate.get_config()
        folders = (str(path) for path in sorted(versions.iterdir()) if path.is_dir())
        config.set_main_option('version_locations', pathsep.join(folders))
        return _downgrade_to_known(config)


def _add_files_of_branch(revision: str, versions: Path) -> None:
    """Add the migrations of the branch that has a revision, unless the work tree has them."""
    branch, _ = _place_of(revision)
    if not branch:
        raise RevisionNotFound(f'no git branch has the migration {revision}: flask db reset')
    known = known_revisions()
    for path, text in read_files(branch, FOLDER, root=ROOT).items():
        found = REVISION_PATTERN.search(text)
        if found and found[1] not in known:
            target = versions / Path(path).relative_to(FOLDER)
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding='utf-8')


def _downgrade_to_known(config: Config) -> list[str]:
    """Downgrade the database until it has only migrations of the work tree."""
    script = ScriptDirectory.from_config(config)
    known = known_revisions()
    undone: list[str] = []
    while unknown := find_unknown_revisions():
        if set(unknown) <= set(undone):
            raise RevisionNotFound(f'the migration {unknown[0]} cannot be undone: flask db reset')
        for revision in unknown:
            command.downgrade(config, _target_below(script, revision, known))
        undone += unknown
    return undone


def _target_below(script: ScriptDirectory, revision: str, known: Iterable[str]) -> str:
    """Return the newest known ancestor of a revision; without one, the base of its branch."""
    found = script.get_revision(revision)
    while found is not None and found.down_revision:
        below = found.down_revision
        names = [below] if isinstance(below, str) else list(below)
        if common := [name for name in names if name in known]:
            return common[0]
        found = script.get_revision(names[0])
    labels = sorted(found.branch_labels) if found is not None else []
    return f'{labels[0]}@base' if labels else 'base'
