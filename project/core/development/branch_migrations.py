"""Migrations of another git branch, read from git without running their code."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from project.core.database.migrations.files import written_revision
from project.core.git_repository import read_files


class BranchMigration(NamedTuple):
    """A migration of a git branch.

    :param path: the path relative to the repository.
    :param parents: the revisions that must be applied before it.
    """

    revision: str
    branch: str
    path: str
    text: str
    parents: tuple[str, ...]


def read_migrations(branch: str, folder: str) -> dict[str, BranchMigration]:
    """Return the migrations of a git branch by revision."""
    found: dict[str, BranchMigration] = {}
    for path, text in read_files(branch, folder).items():
        if written := written_revision(text):
            revision, parents = written
            found[revision] = BranchMigration(revision, branch, path, text, parents)
    return found


def ancestors(
    revisions: Iterable[str], migrations: Mapping[str, BranchMigration], *, known: set[str]
) -> list[BranchMigration]:
    """Return the migrations of the revisions and of their ancestors, children before parents.

    :param known: the revisions at which to stop.
    """
    found: dict[str, BranchMigration] = {}
    pending = list(revisions)
    while pending:
        revision = pending.pop(0)
        if revision in migrations and revision not in known:
            # A parent of several children comes after all of them.
            found.pop(revision, None)
            found[revision] = migrations[revision]
            pending += migrations[revision].parents
    return [*found.values()]
