"""Migrations of another git branch, read from git without running their code."""

import ast
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from project.core.git_repository import read_files

# The variables of a migration that name other migrations.
PARENT_VARIABLES = ('down_revision', 'depends_on')


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
        values = _constants(text)
        for revision in _texts(values.get('revision')):
            parents = [name for key in PARENT_VARIABLES for name in _texts(values.get(key))]
            found[revision] = BranchMigration(revision, branch, path, text, tuple(parents))
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


def _constants(text: str) -> dict[str, object]:
    """Return the constants that are assigned at the top level of a module, by name."""
    try:
        statements = ast.parse(text).body
    except SyntaxError:
        return {}
    found: dict[str, object] = {}
    for statement in statements:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = _literal(value)
    return found


def _literal(value: ast.expr) -> object:
    try:
        return ast.literal_eval(value)
    except ValueError:
        return None


def _texts(value: object) -> list[str]:
    """Return the texts of a constant that is a text, several texts, or None."""
    values = value if isinstance(value, tuple | list | set) else [value]
    return [each for each in values if isinstance(each, str)]
