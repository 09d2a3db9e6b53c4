"""The database schema of all models as SQL, and the newest migration of each feature."""

from collections.abc import Iterator

from alembic.script import ScriptDirectory
from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from project.core.database.migrations import migrate
from project.core.database.session import db

DIALECTS: dict[str, type[Dialect]] = {
    'postgresql': postgresql.dialect,
    'sqlite': sqlite.dialect,
}


def schema_sql(name: str) -> str:
    """Return the statements that create all tables. The same models always give the same text.

    :param name: the name of a dialect in `DIALECTS`.
    """
    return '\n'.join(_statements(DIALECTS[name]()))


def _statements(dialect: Dialect) -> Iterator[str]:
    for table in db.metadata.sorted_tables:
        yield f'{_sql(CreateTable(table), dialect)};\n'
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield f'{_sql(CreateIndex(index), dialect)};\n'


def _sql(statement: CreateTable | CreateIndex, dialect: Dialect) -> str:
    lines = str(statement.compile(dialect=dialect)).strip().splitlines()
    return '\n'.join(line.rstrip().replace('\t', '    ') for line in lines)


def migration_heads() -> list[tuple[str, str]]:
    """Return feature and revision of the newest migrations, sorted.

    A feature has several of them only until its branches are merged.
    """
    # At run time, Flask-Migrate's `Config` inherits Alembic's. Its type stubs lack the base class.
    config = migrate.get_config()
    script = ScriptDirectory.from_config(config)  # pyright: ignore[reportArgumentType]
    revisions = [script.get_revision(head) for head in script.get_heads()]
    return sorted((min(r.branch_labels, default='core'), r.revision) for r in revisions if r)
