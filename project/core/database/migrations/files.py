"""The revisions in the files of migrations, read without running their code.

Alembic runs each file to read it. This must not happen to the files of other git branches, and it
fails if one of two files has the revision of the other.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .table_features import VERSIONS

# The variables of a migration that name other migrations.
PARENT_VARIABLES = ('down_revision', 'depends_on')


class WrittenRevision(NamedTuple):
    """The revision in the file of a migration.

    :param parents: the revisions that must be applied before it.
    """

    revision: str
    parents: tuple[str, ...]


def written_revision(text: str) -> WrittenRevision | None:
    """Return the revision in the text of a file, or None if it is not a migration."""
    values = _constants(text)
    revision = values.get('revision')
    if not isinstance(revision, str):
        return None
    parents = [name for key in PARENT_VARIABLES for name in _texts(values.get(key))]
    return WrittenRevision(revision, tuple(parents))


def revisions_in_files() -> dict[str, Path]:
    """Return the revisions of the migrations in the work tree, and their files."""
    return {
        found.revision: path
        for path in sorted(VERSIONS.glob('*/*.py'))
        if (found := written_revision(path.read_text(encoding='utf-8')))
    }


def revision_pattern(revision: str) -> str:
    """Return an extended regular expression for the line with a revision, for `git grep`."""
    return rf'^revision *(:[^=]*)?= *[\'"]{re.escape(revision)}[\'"]'


def _constants(text: str) -> dict[str, object]:
    """Return the constants that are assigned at the top level of a module, by name."""
    try:
        return dict(_assignments(ast.parse(text)))
    except SyntaxError:
        return {}


def _assignments(module: ast.Module) -> Iterator[tuple[str, object]]:
    for statement in module.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                yield target.id, _literal(value)


def _literal(value: ast.expr) -> object:
    try:
        return ast.literal_eval(value)
    except ValueError:
        return None


def _texts(value: object) -> list[str]:
    """Return the texts of a constant that is a text, several texts, or None."""
    values = value if isinstance(value, tuple | list | set) else [value]
    return [each for each in values if isinstance(each, str)]
