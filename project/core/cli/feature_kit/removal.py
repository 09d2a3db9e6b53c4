"""Removal of features: their code, tests, pages and migrations, and their tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from project.core.cli.feature_paths import paths_of_feature, shared_dependents
from project.core.database.migrations import downgrade_feature, existing_tables, tables_of
from project.core.documents.api_changes.accepted_changes import SUFFIX
from project.core.documents.api_changes.changes import FEATURE_REMOVED, features_of_document
from project.core.documents.api_changes.releases import newest_release, read_openapi
from project.core.features import find_features
from project.core.git_repository import run_git

from . import repository
from .repository import ROOT

MAIN_BRANCHES = ('origin/main', 'main', 'origin/master', 'master')

KEPT = """# Migrations of a removed feature

The feature `{name}` was removed, and its tables were kept: {tables}. These migrations create the
same tables in a new database. `flask db check` does not compare the tables with models.

- No code erases or exports the rows, even if they contain personal data. If a row refers to a user,
  the database rejects the erasure of this user.
- To delete the tables, run `flask db downgrade {name}@base` on every database. Then delete this
  folder.
"""


@dataclass(frozen=True, slots=True)
class Removal:
    """A feature to remove.

    :param code: the files and folders of the feature without its migrations, and the tests of other
        folders that need the feature.
    :param tables: the names of the tables of the feature.
    :param is_on_main: whether the migrations of the feature are on the main branch. If so, other
        databases may have its tables.
    """

    name: str
    code: Sequence[Path]
    tables: Sequence[str]
    is_on_main: bool

    @property
    def downgrade(self) -> str:
        """Return the command that deletes the tables in a database."""
        return f'flask db downgrade {self.name}@base'

    @property
    def migrations(self) -> Path:
        """Return the folder of the migrations."""
        return Path('migrations', 'versions', self.name)


def planned_removal(name: str) -> Removal:
    """Return the files and tables that the removal of a feature deletes. Deletes nothing.

    :raises ClickException: if the feature does not exist, or if other features or shared test
        modules need it.
    """
    repository.ensure_repository()
    features = find_features()
    if name not in {feature.name for feature in features}:
        known = ', '.join(feature.name for feature in features)
        raise click.ClickException(f'there is no feature {name!r}; the features are {known}')
    dependents = [feature.name for feature in features if name in feature.requires]
    if dependents:
        raise click.ClickException(
            f'{", ".join(dependents)} {"require" if len(dependents) > 1 else "requires"} {name}: '
            'remove them first, or delete the name from their `requires`'
        )
    if shared := shared_dependents(name, ROOT):
        uses = '; '.join(f'{path} uses {use}' for path, use in shared.items())
        raise click.ClickException(
            f'nothing was removed: tests that stay may need these modules: {uses}: '
            'delete these imports first'
        )
    migrations = Path('migrations', 'versions', name)
    code = [path for path in paths_of_feature(name, ROOT) if path != migrations]
    return Removal(name, code, tables_of(name), is_on_main_branch(name))


def is_on_main_branch(name: str, root: Path = ROOT) -> bool:
    """Return whether the main branch, local or remote, has migrations of a feature.

    Without git, or without a main branch, the result is True: the feature may be in use elsewhere.
    """
    branches = [ref for ref in MAIN_BRANCHES if _git(root, 'rev-parse', '--verify', '--quiet', ref)]
    folder = f'migrations/versions/{name}'
    return not branches or any(
        _git(root, 'ls-tree', '-r', '--name-only', branch, '--', folder) for branch in branches
    )


def _git(root: Path, *arguments: str) -> str:
    """Return the output of git, or an empty text if it fails or is not installed."""
    return (run_git(*arguments, root=root) or '').strip()


def undo_feature(removal: Removal) -> None:
    """Remove a feature that is not on the main branch, and its tables in the current database."""
    _remove(removal, [*removal.code, removal.migrations])


def remove_feature(removal: Removal) -> None:
    """Remove a feature after its tables were deleted from all databases.

    :raises ClickException: if the current database still has one of the tables.
    """
    if left := existing_tables(removal.tables):
        raise click.ClickException(
            f'this database has {", ".join(left)}: run `{removal.downgrade}` on every database'
        )
    _remove(removal, [*removal.code, removal.migrations])


def remove_code(removal: Removal) -> None:
    """Remove the code of a feature, and keep its tables and migrations."""
    text = KEPT.format(name=removal.name, tables=', '.join(f'`{name}`' for name in removal.tables))
    _remove(removal, removal.code, {removal.migrations / 'README.md': text})


def _remove(removal: Removal, paths: Sequence[Path], texts: dict[Path, str] | None = None) -> None:
    """Delete files of a feature, write the given texts, and write the documents again.

    All of this is done in a copy first. If it fails there, the repository stays unchanged.

    :param paths: the files and folders to delete.
    :param texts: the texts of new files by path.
    """
    texts = {**(texts or {}), **accepted_removal(removal.name)}
    # A feature may already have a file of accepted changes. The new text replaces it.
    paths = [path for path in paths if path not in texts]
    with repository.copied_repository() as copy:
        repository.delete(copy, paths)
        for path, text in texts.items():
            (copy / path).write_text(text, encoding='utf-8')
        repository.finish_changes(copy)
        changed = repository.changed_files(copy)
        if removal.migrations in paths and existing_tables(removal.tables):
            downgrade_feature(removal.name)
        repository.move_files(copy, changed)
        repository.delete(ROOT, paths)


def accepted_removal(name: str) -> dict[Path, str]:
    """Return the file that accepts the removal of a feature's routes, if a release has them.

    Otherwise `flask api diff` would reject the removal.
    """
    release = newest_release(ROOT)
    if release is None or name not in features_of_document(read_openapi(ROOT, release)):
        return {}
    entry = f'"{FEATURE_REMOVED}" = "Removed by `flask feature remove`."\n'
    return {Path('docs', 'features', f'{name}{SUFFIX}'): entry}
